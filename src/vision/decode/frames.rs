//! GIF and BMP: the rows that are written before a decoder gives up.

use gif::{ColorOutput, DecodeOptions};
use image::{ColorType, ImageDecoder, ImageError, RgbImage};

use super::{File, UNREAD};
use crate::vision::VisionError;

/// Transparency that no picture has: a GIF's pixels are opaque or clear.
const UNWRITTEN: u8 = 1;

/// A picture, and how many of its rows could be read of those there should be.
pub struct DecodedFrame {
    pub picture: RgbImage,
    pub read: u32,
    pub rows: u32,
}

/// The first frame of a GIF on its canvas, if `check` lets its size pass.
pub fn gif(
    file: &File<'_>,
    check: impl Fn((u32, u32)) -> Result<(), VisionError>,
) -> Result<DecodedFrame, VisionError> {
    let damaged = |error: gif::DecodingError| VisionError::damaged("GIF", &error);
    let mut options = DecodeOptions::new();
    options.set_color_output(ColorOutput::RGBA);
    let mut decoder = options.read_info(file.reader(usize::MAX)).map_err(damaged)?;
    let width = u32::from(decoder.width());
    let height = u32::from(decoder.height());
    let frame = decoder
        .next_frame_info()
        .and_then(|frame| frame.ok_or(gif::DecodingError::UnexpectedEof))
        .map_err(damaged)?;
    let left = u32::from(frame.left);
    let top = u32::from(frame.top);
    let columns = u32::from(frame.width);
    let rows = u32::from(frame.height);
    check((columns, rows))?;
    let mut pixels = [UNREAD[0], UNREAD[1], UNREAD[2], UNWRITTEN].repeat(columns as usize * rows as usize);
    let read_all = decoder.read_into_buffer(&mut pixels);
    let mut picture = RgbImage::new(width, height);
    let mut read = 0;
    for (y, row) in pixels.chunks_exact((columns as usize * 4).max(1)).enumerate() {
        read += u32::from(row.chunks_exact(4).all(|pixel| pixel[3] != UNWRITTEN));
        for (x, pixel) in row.chunks_exact(4).enumerate() {
            if let Some(place) = picture.get_pixel_mut_checked(left + x as u32, top + y as u32) {
                place.0.copy_from_slice(&pixel[..3]);
            }
        }
    }
    match read_all {
        Ok(()) => Ok(DecodedFrame { picture, read: rows, rows }),
        Err(error) if read == 0 => Err(damaged(error)),
        Err(_) => Ok(DecodedFrame { picture, read, rows }),
    }
}

/// A picture of a decoder that leaves alone what it can't write; `open` opens it again. Two attempts on different grounds tell
/// what it wrote.
pub fn bmp<D: ImageDecoder>(open: impl Fn() -> Result<D, ImageError>) -> Result<DecodedFrame, ImageError> {
    let on = |ground: u8| {
        let decoder = open()?;
        let size = decoder.dimensions();
        let colour = decoder.color_type();
        let mut pixels = vec![ground; usize::try_from(decoder.total_bytes()).unwrap_or(0)];
        let error = decoder.read_image(&mut pixels).err();
        Ok::<_, ImageError>((size, colour, pixels, error))
    };
    let ((width, height), colour, mut pixels, error) = on(0)?;
    let mut read = height;
    if let Some(error) = error {
        let (_, _, other, _) = on(u8::MAX)?;
        let channels = usize::from(colour.bytes_per_pixel());
        let length = (width as usize * channels).max(1);
        read = 0;
        for (row, other) in pixels.chunks_exact_mut(length).zip(other.chunks_exact(length)) {
            let mut pairs = row.chunks_exact(channels).zip(other.chunks_exact(channels));
            if pairs.all(|(pixel, other)| pixel[..3] == other[..3]) {
                read += 1;
            } else {
                row.chunks_exact_mut(channels).for_each(|pixel| pixel[..3].copy_from_slice(&UNREAD));
            }
        }
        if read == 0 {
            return Err(error);
        }
    }
    let picture = match colour {
        ColorType::Rgba8 => {
            let rgb = pixels.chunks_exact(4).flat_map(|pixel| [pixel[0], pixel[1], pixel[2]]);
            RgbImage::from_raw(width, height, rgb.collect())
        }
        _ => RgbImage::from_raw(width, height, pixels),
    };
    let picture = picture.unwrap_or_else(|| RgbImage::from_pixel(width, height, image::Rgb(UNREAD)));
    Ok(DecodedFrame { picture, read, rows: height })
}
