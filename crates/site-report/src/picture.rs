//! Pictures of charts: PNG, drawn of the same shapes as the charts of a page, and without texts, so that no font is needed.

use std::error::Error;

use askama::Template;
use resvg::tiny_skia::{Color, Pixmap, Transform};
use resvg::usvg::{Options, Tree};
use thiserror::Error;

use crate::chart::Chart;
use crate::chart::frame::{PICTURE, Part};
use crate::palette::{LIGHT, Palette};

/// Pixels for each unit of the drawing.
const SCALE: f64 = 2.0;

/// The width and the height of a picture as it is shown, in pixels of a style sheet.
pub(crate) const SHOWN: (u32, u32) = (PICTURE.width as u32, PICTURE.height as u32);

/// Why there is no picture of a chart.
#[derive(Debug, Error)]
#[error("a chart cannot be made a picture")]
pub struct PictureError(#[source] Option<Box<dyn Error + Send + Sync>>);

#[derive(Template)]
#[template(path = "picture.svg", whitespace = "preserve")]
struct Picture<'a> {
    chart: &'a Chart,
    has_texts: bool,
    light: Palette,
    part: Part,
    width: u32,
    height: u32,
}

/// A chart as PNG, twice as wide and as high as it is shown ([`SHOWN`]), on white.
pub(crate) fn png(chart: &Chart) -> Result<Vec<u8>, PictureError> {
    let (width, height) = ((PICTURE.width * SCALE) as u32, (PICTURE.height * SCALE) as u32);
    let picture = Picture { chart, has_texts: false, light: LIGHT, part: PICTURE, width, height };
    let svg = picture.render().map_err(because)?;
    // Nothing of it names a file or a font.
    let tree = Tree::from_str(&svg, &Options::default()).map_err(because)?;
    let mut pixels = Pixmap::new(width, height).ok_or(PictureError(None))?;
    pixels.fill(Color::WHITE);
    resvg::render(&tree, Transform::identity(), &mut pixels.as_mut());
    encoded(&pixels).map_err(because)
}

/// Without transparency, and without filters, which make such pictures larger.
fn encoded(pixels: &Pixmap) -> Result<Vec<u8>, png::EncodingError> {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, pixels.width(), pixels.height());
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.set_compression(png::Compression::High);
    encoder.set_filter(png::Filter::NoFilter);
    let colors: Vec<u8> =
        pixels.pixels().iter().flat_map(|pixel| [pixel.red(), pixel.green(), pixel.blue()]).collect();
    encoder.write_header()?.write_image_data(&colors)?;
    Ok(bytes)
}

fn because(error: impl Error + Send + Sync + 'static) -> PictureError {
    PictureError(Some(Box::new(error)))
}
