// What a script finds beside the language, and how it is asked. Nothing here uses what a script may have changed.
(function () {
  const { stringify } = JSON;
  const { isArray } = Array;
  const RealDate = Date;

  // The clock stands at the time at which the frame was received, and before it is there at 1970: the same frame gives the same output.
  let now = 0;
  RealDate.now = () => now;
  globalThis.Date = new Proxy(RealDate, {
    construct: (target, args, self) => Reflect.construct(target, args.length > 0 ? args : [now], self),
    apply: () => new RealDate(now).toString(),
  });
  RealDate.prototype.constructor = globalThis.Date;

  let seed = 1;
  Math.random = () => {
    seed = (seed * 48271) % 2147483647;
    return seed / 2147483647;
  };

  const silent = () => undefined;
  globalThis.console = { log: silent, debug: silent, info: silent, warn: silent, error: silent, trace: silent };

  const texts = (list) => (isArray(list) ? list.map(String) : list === undefined || list === null ? [] : [String(list)]);
  const refused = (reason) => stringify({ refused: reason });

  return function (bytes, port, variables, receivedAt) {
    now = receivedAt;
    const input = { bytes, fPort: port, recvTime: new RealDate(now), variables };
    let given;
    if (typeof decodeUplink === 'function') given = decodeUplink(input);
    else if (typeof Decode === 'function') given = { data: Decode(port, bytes, variables) };
    else if (typeof Decoder === 'function') given = { data: Decoder(bytes, port) };
    else return refused('the script has none of the functions decodeUplink, Decode and Decoder');
    if (typeof given !== 'object' || given === null) return refused('the codec gave no object');
    const errors = texts(given.errors);
    if (errors.length > 0) return refused(errors.join('; '));
    const { data } = given;
    if (typeof data !== 'object' || data === null || isArray(data)) return refused('the codec gave no object as `data`');
    const warnings = texts(given.warnings);
    let normalised;
    if (typeof normalizeUplink === 'function') {
      const answer = normalizeUplink({ data }) ?? {};
      const failed = texts(answer.errors);
      if (failed.length === 0) normalised = answer.data;
      warnings.push(...failed, ...texts(answer.warnings));
    }
    return stringify({ data, normalised, warnings });
  };
})()
