//! Frames in pieces, cut off, forged; and the script in the shells of this machine.
#![cfg(test)]

use proptest::prelude::*;

use super::*;

fn decode(output: &[u8], size: usize) -> (Vec<Frame>, Decoder) {
    let mut decoder = Decoder::new("n0");
    let mut frames = Vec::new();
    for piece in output.chunks(size) {
        frames.extend(decoder.push(piece).unwrap());
    }
    frames.extend(decoder.finish());
    (frames, decoder)
}

fn file(path: &str, content: Content) -> Frame {
    Frame::File(HistoryFile { content, ..place("root", path.to_owned()) })
}

fn one(content: &[u8]) -> Vec<u8> {
    encode("n0", &[("root".to_owned(), "/root/.bash_history".to_owned(), content.to_vec())])
}

proptest! {
    #[test]
    fn content_comes_back_byte_for_byte_in_pieces_of_any_size(content: Vec<u8>, size in 1..40_usize) {
        let content: Vec<u8> = content.into_iter().filter(|&byte| byte != 0).collect();
        let (frames, decoder) = decode(&one(&content), size);
        prop_assert_eq!(frames, [file("/root/.bash_history", Content::Bytes(content, true))]);
        prop_assert!(decoder.is_whole() && decoder.has_begun());
    }
}

#[test]
fn what_a_cut_off_script_printed_is_kept() {
    let whole = one(b"one\ntwo\nthree\n");
    let at = whole.windows(5).position(|window| window == b"three").unwrap();
    for (end, kept) in [(at, &b"one\ntwo"[..]), (at + 3, b"one\ntwo\nthr")] {
        let (frames, decoder) = decode(&whole[..end], 5);
        assert_eq!(frames, [file("/root/.bash_history", Content::Bytes(kept.to_vec(), false))]);
        assert!(!decoder.is_whole());
    }
}

#[test]
fn a_program_that_prints_for_ever_is_not_listened_to() {
    let mut decoder = Decoder::new("n0");
    let ended = (0..1000).find(|_| decoder.push(&b"y\n".repeat(1000)).is_err());
    assert_eq!(ended, Some(BEFORE_BEGIN / 2000), "nothing of ours within 64 KiB");
    let mut decoder = Decoder::new("n0");
    decoder.push(b"n0 begin\nn0 path\n/x\nn0 text\n").unwrap();
    let mut pieces = 0;
    while decoder.push(&[b'y'; 65536]).is_ok() {
        pieces += 1;
        assert!(decoder.held() <= LARGEST_TEXT && pieces < 1000);
    }
    let Some(Frame::File(file)) = decoder.finish() else { panic!("what was read is kept") };
    assert!(matches!(file.content, Content::Bytes(bytes, false) if bytes.len() > LARGEST_FILE));
}

#[test]
fn places_without_text_say_what_they_are() {
    let (frames, _) = decode(
        b"n0 begin\nn0 env\nHISTSIZE=0\nn0 user\nroot\nn0 path\n/a\nn0 link\n/dev/null\nn0 odd\nn0 path\n/b\nn0 link\n\n\
          n0 path\n/c\nn0 binary\nn0 path\n/d\nn0 rc\n3 HISTSIZE=0\n7 set +o history\nn0 end\nn0 done\n",
        7,
    );
    let link = |path: &str, target: &str, content| {
        Frame::File(HistoryFile { link: Some(target.to_owned()), content, ..place("root", path.to_owned()) })
    };
    let lines = vec![(3, b"HISTSIZE=0".to_vec()), (7, b"set +o history".to_vec())];
    assert_eq!(
        frames,
        [
            Frame::Variable("HISTSIZE=0".to_owned()),
            link("/a", "/dev/null", Content::Odd),
            link("/b", "", Content::NotFollowed),
            file("/c", Content::Binary),
            Frame::Lines { user: "root".to_owned(), path: "/d".to_owned(), lines },
        ]
    );
}

#[test]
fn base64_of_powershell_keeps_nul_bytes() {
    let text =
        format!("n0 begin\nn0 user\nroot\nn0 path\n/x\nn0 b64\n{}\nn0 end\nn0 done\n", STANDARD.encode(b"a\0b\r\n"));
    let (frames, _) = decode(text.as_bytes(), 9);
    assert_eq!(frames, [file("/x", Content::Bytes(b"a\0b\r\n".to_vec(), true))]);
}

#[cfg(unix)]
mod shells;
