//! Content codings and escapes: coded bytes in, decoded bytes and checkpoints out.

mod alphabet;
mod br;
mod coding;
mod deflate;
mod entity;
mod forms;
pub(crate) mod grpc;
mod percent;
mod stack;
mod unescape;
mod zstd;

pub(crate) use alphabet::{Alphabet, Reader, Run, next as next_run};
pub use br::Br;
pub use coding::{Coding, DecodeError, Decoder, Progress};
pub use deflate::Inflate;
pub(crate) use forms::{has_form, hides};
pub use grpc::{Compression, GrpcForm, Messages};
pub use percent::percent_decode;
pub use stack::{Codings, Stack};
pub use unescape::Unescaped;
pub(crate) use unescape::{EVENT_LINE, is_inline};
pub use zstd::Zstd;

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn coded(coding: Coding, text: &[u8]) -> Vec<u8> {
        match coding {
            Coding::Identity => text.to_vec(),
            Coding::Gzip => {
                let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
                encoder.write_all(text).unwrap();
                encoder.finish().unwrap()
            }
            Coding::Deflate => {
                let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::default());
                encoder.write_all(text).unwrap();
                encoder.finish().unwrap()
            }
            Coding::Br => {
                let mut out = Vec::new();
                brotli::CompressorWriter::new(&mut out, 4096, 5, 20)
                    .write_all(text)
                    .unwrap();
                out
            }
            Coding::Zstd => ::zstd::stream::encode_all(text, 3).unwrap(),
            Coding::Stacked(_) => unreachable!("each is applied by itself"),
        }
    }

    fn decode(coding: Coding, bytes: &[u8], slice: usize) -> Result<Vec<u8>, DecodeError> {
        let mut decoder = Decoder::new(coding).unwrap();
        let mut out = Vec::new();
        bytes
            .chunks(slice)
            .try_for_each(|slice| decode_slice(&mut decoder, slice, &mut out))?;
        decoder.finish().map(|()| out)
    }

    fn decode_slice(decoder: &mut Decoder, mut slice: &[u8], out: &mut Vec<u8>) -> Result<(), DecodeError> {
        let mut buffer = [0; 300];
        loop {
            let progress = decoder.step(slice, &mut buffer)?;
            out.extend_from_slice(&buffer[..progress.written]);
            slice = &slice[progress.read..];
            if slice.is_empty() && progress.written < buffer.len() {
                return Ok(());
            }
        }
    }

    const CODINGS: [Coding; 4] = [Coding::Gzip, Coding::Deflate, Coding::Br, Coding::Zstd];

    #[test]
    fn every_coding_gives_back_the_text_however_it_is_cut() {
        let text: Vec<u8> = (0..20_000_u32)
            .flat_map(|n| format!("row {} ", n * 7919 % 1000).into_bytes())
            .collect();
        for coding in CODINGS {
            let bytes = coded(coding, &text);
            for slice in [1, 7, 512, bytes.len()] {
                assert!(decode(coding, &bytes, slice).unwrap() == text, "{coding:?} {slice}");
            }
            let cut = &bytes[..bytes.len() / 2];
            assert_eq!(
                decode(coding, cut, 100).map(|_| ()),
                Err(DecodeError::Truncated),
                "{coding:?}"
            );
        }
    }

    #[test]
    fn members_and_frames_follow_each_other() {
        for coding in [Coding::Gzip, Coding::Zstd] {
            let bytes = [coded(coding, b"first "), coded(coding, b""), coded(coding, b"second")].concat();
            for slice in [1, bytes.len()] {
                assert_eq!(decode(coding, &bytes, slice).unwrap(), b"first second", "{coding:?}");
            }
        }
    }

    #[test]
    fn deflate_may_be_raw() {
        let mut encoder = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(b"raw deflate, as some senders mean it").unwrap();
        let bytes = encoder.finish().unwrap();
        assert_eq!(
            decode(Coding::Deflate, &bytes, 1).unwrap(),
            b"raw deflate, as some senders mean it"
        );
    }

    #[test]
    fn garbage_is_an_error_and_never_a_panic() {
        for coding in CODINGS {
            for seed in 0..50_u8 {
                let bytes: Vec<u8> = (0..200_u8)
                    .map(|n| n.wrapping_mul(31).wrapping_add(seed) ^ seed)
                    .collect();
                drop(decode(coding, &bytes, 13));
            }
            let trailing = [coded(coding, b"text"), b"junk".to_vec()].concat();
            assert!(
                decode(coding, &trailing, 3).is_err(),
                "{coding:?}: bytes after the end are not passed over"
            );
        }
    }

    #[test]
    fn codings_in_codings_give_back_the_text_however_it_is_cut() {
        let text: Vec<u8> = (0..20_000_u32)
            .flat_map(|n| format!("row {} ", n * 7919 % 1000).into_bytes())
            .collect();
        for list in [
            "gzip, br",
            "zstd,deflate , Gzip",
            "x-gzip, identity, gzip, gzip, gzip, gzip",
            "br, zstd",
        ] {
            let items = list
                .split(',')
                .map(|item| Coding::from_header(item.as_bytes()).unwrap());
            let bytes = items.fold(text.clone(), |bytes, coding| coded(coding, &bytes));
            let coding = Coding::from_header(list.as_bytes()).unwrap();
            for slice in [1, 7, 512, bytes.len()] {
                assert!(decode(coding, &bytes, slice).unwrap() == text, "{list} {slice}");
            }
            let cut = decode(coding, &bytes[..bytes.len() / 2], 100).map(|_| ());
            assert_eq!(cut, Err(DecodeError::Truncated), "{list}");
            let trailing = [&bytes[..], b"junk"].concat();
            assert!(decode(coding, &trailing, 3).is_err(), "{list}");
        }
        for list in [
            "gzip, gzip, gzip, gzip, gzip, gzip",
            "br, br, zstd",
            "gzip, rot13",
            "gzip, gzip2",
        ] {
            assert_eq!(Coding::from_header(list.as_bytes()), None, "{list}");
        }
        assert_eq!(Coding::from_header(b"identity, gzip,"), Some(Coding::Gzip));
        // Of what is empty inside nothing comes, and yet it is no work without end.
        let empty = coded(Coding::Gzip, b"");
        let bomb = coded(Coding::Gzip, &coded(Coding::Gzip, &empty.repeat(80_000)));
        let gzips = Coding::from_header(b"gzip, gzip, gzip").unwrap();
        assert_eq!(decode(gzips, &bomb, 512), Err(DecodeError::Ratio));
    }

    #[test]
    fn zstd_lets_go_at_block_ends_only() {
        let text: Vec<u8> = (0..400_000_u32)
            .map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8)
            .collect();
        let bytes = coded(Coding::Zstd, &text);
        let mut decoder = Decoder::new(Coding::Zstd).unwrap();
        let mut buffer = vec![0; 1 << 20];
        let mut checkpoints = 0;
        for byte in bytes.chunks(1) {
            decoder.step(byte, &mut buffer).unwrap();
            checkpoints += u32::from(decoder.is_checkpoint());
        }
        assert!(
            (4..=8).contains(&checkpoints),
            "{checkpoints} block ends in 400 kB of blocks of 128 KiB"
        );
    }
}
