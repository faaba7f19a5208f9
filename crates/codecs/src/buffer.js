// The part of Node.js' Buffer that codecs use.
(function () {
  const BASE64 = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';

  const fromBase64 = (text) => {
    const bytes = [];
    let bits = 0;
    let count = 0;
    for (const letter of text.replace(/-/g, '+').replace(/_/g, '/')) {
      const value = BASE64.indexOf(letter);
      if (value < 0) continue;
      bits = ((bits << 6) | value) & 0xffffff;
      count += 6;
      if (count >= 8) {
        count -= 8;
        bytes.push((bits >> count) & 0xff);
      }
    }
    return bytes;
  };

  const toBase64 = (bytes) => {
    let text = '';
    for (let at = 0; at < bytes.length; at += 3) {
      const [a, b, c] = [bytes[at], bytes[at + 1], bytes[at + 2]];
      text += BASE64[a >> 2] + BASE64[((a & 3) << 4) | ((b ?? 0) >> 4)];
      text += b === undefined ? '=' : BASE64[((b & 15) << 2) | ((c ?? 0) >> 6)];
      text += c === undefined ? '=' : BASE64[c & 63];
    }
    return text;
  };

  const utf8 = (text) => Array.from(unescape(encodeURIComponent(text)), (letter) => letter.charCodeAt(0));

  const fromText = (text, encoding) => {
    switch (String(encoding ?? 'utf8').toLowerCase()) {
      case 'hex': return (text.match(/[0-9a-f]{2}/gi) ?? []).map((pair) => parseInt(pair, 16));
      case 'base64': case 'base64url': return fromBase64(text);
      case 'ascii': case 'latin1': case 'binary': return Array.from(text, (letter) => letter.charCodeAt(0) & 0xff);
      default: return utf8(text);
    }
  };

  class Buffer extends Uint8Array {
    static from(from, encoding) {
      const bytes = typeof from === 'string' ? fromText(from, encoding) : from instanceof ArrayBuffer ? new Uint8Array(from) : from;
      const buffer = new Buffer(bytes.length);
      buffer.set(bytes);
      return buffer;
    }
    static alloc(size, fill) { return new Buffer(size).fill(fill ?? 0); }
    static allocUnsafe(size) { return new Buffer(size); }
    static isBuffer(value) { return value instanceof Buffer; }
    static concat(list) { return Buffer.from(list.flatMap((each) => Array.from(each))); }
    slice(start, end) { return this.subarray(start, end); }
    toString(encoding, start, end) {
      const bytes = Array.from(this.subarray(start ?? 0, end ?? this.length));
      switch (String(encoding ?? 'utf8').toLowerCase()) {
        case 'hex': return bytes.map((byte) => byte.toString(16).padStart(2, '0')).join('');
        case 'base64': return toBase64(bytes);
        case 'ascii': return bytes.map((byte) => String.fromCharCode(byte & 0x7f)).join('');
        case 'latin1': case 'binary': return bytes.map((byte) => String.fromCharCode(byte)).join('');
        default: return decodeURIComponent(escape(bytes.map((byte) => String.fromCharCode(byte)).join('')));
      }
    }
    readUIntBE(at, length) { return whole(this, at, length, false, false); }
    readUIntLE(at, length) { return whole(this, at, length, true, false); }
    readIntBE(at, length) { return whole(this, at, length, false, true); }
    readIntLE(at, length) { return whole(this, at, length, true, true); }
  }

  const whole = (buffer, at, length, isLittle, isSigned) => {
    if (at < 0 || at + length > buffer.length) throw new RangeError('a read outside of the buffer');
    let value = 0;
    for (let n = 0; n < length; n++) value = value * 256 + buffer[isLittle ? at + length - 1 - n : at + n];
    return isSigned && value >= 2 ** (8 * length - 1) ? value - 2 ** (8 * length) : value;
  };

  const view = (buffer) => new DataView(buffer.buffer, buffer.byteOffset, buffer.byteLength);
  for (const [name, kind, size] of [
    ['Int8', 'Int8', 1], ['UInt8', 'Uint8', 1], ['Int16', 'Int16', 2], ['UInt16', 'Uint16', 2], ['Int32', 'Int32', 4],
    ['UInt32', 'Uint32', 4], ['Float', 'Float32', 4], ['Double', 'Float64', 8], ['BigInt64', 'BigInt64', 8],
    ['BigUInt64', 'BigUint64', 8],
  ]) {
    for (const order of size === 1 ? [''] : ['BE', 'LE']) {
      const isLittle = order === 'LE';
      const read = function (at) { return view(this)['get' + kind](at ?? 0, isLittle); };
      const write = function (value, at) {
        view(this)['set' + kind](at ?? 0, value, isLittle);
        return (at ?? 0) + size;
      };
      Object.assign(Buffer.prototype, {
        ['read' + name + order]: read, ['write' + name + order]: write,
        ['read' + name.replace('UI', 'Ui') + order]: read, ['write' + name.replace('UI', 'Ui') + order]: write,
      });
    }
  }
  Object.defineProperty(globalThis, 'Buffer', { value: Buffer, writable: true, configurable: true });
})()
