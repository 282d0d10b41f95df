//! The standard's rules as a table, and every split of every stream.

use proptest::prelude::*;

use super::*;

type Owned = (String, String, String);

fn read_pieces<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Vec<Owned> {
    let mut reader = Reader::default();
    let mut events = Vec::new();
    for mut piece in pieces {
        while let Some(event) = reader.read(&mut piece).unwrap() {
            let data = String::from_utf8_lossy(event.data).into_owned();
            events.push((event.name.to_owned(), event.id.to_owned(), data));
        }
    }
    events
}

fn data(text: &str) -> Vec<String> {
    read_pieces([text.as_bytes()]).into_iter().map(|(_, _, data)| data).collect()
}

#[test]
fn fields_lines_and_blanks_follow_the_standard() {
    let table: &[(&str, &[&str])] = &[
        ("data: a\n\n", &["a"]),
        ("data:a\n\n", &["a"]),
        ("data:  a\n\n", &[" a"]),
        ("data: a\r\n\r\ndata: b\r\n\r\n", &["a", "b"]),
        ("data: a\r\rdata: b\r\r", &["a", "b"]),
        ("data: a\ndata: b\n\n", &["a\nb"]),
        ("data\n\n", &[""]),
        ("data:\ndata:\n\n", &["\n"]),
        ("\n\n\ndata: a\n\n\n\n", &["a"]),
        (": comment\ndata: a\n: other\n\n", &["a"]),
        ("dat: x\ndata: a\ndatax: y\n\n", &["a"]),
        ("data: a", &[]),
        ("data: a\n", &[]),
        ("\u{feff}data: a\n\n", &["a"]),
        ("data: a\n\n\u{feff}data: b\n\n", &["a"]),
        ("data: [DONE]\n\n", &["[DONE]"]),
        ("data: a:b: c\n\n", &["a:b: c"]),
        ("retry: 5\n\n", &[]),
    ];
    for (text, expected) in table {
        assert_eq!(data(text), *expected, "{text:?}");
    }
}

#[test]
fn a_name_belongs_to_one_event_and_an_id_to_all_that_follow() {
    let text = "event: first\nid: 1\ndata: a\n\ndata: b\n\nevent: lost\n\nid: \0\ndata: c\n\nid\ndata: d\n\n";
    let owned = |name: &str, id: &str, data: &str| (name.to_owned(), id.to_owned(), data.to_owned());
    assert_eq!(
        read_pieces([text.as_bytes()]),
        [owned("first", "1", "a"), owned("", "1", "b"), owned("", "1", "c"), owned("", "", "d")]
    );
}

#[test]
fn an_event_ended_by_cr_is_not_held_back_for_a_lf() {
    assert_eq!(data("data: a\r\r").len(), 1);
    assert_eq!(read_pieces([&b"data: a\r"[..], b"\n", b"\r", b"\n", b"data: b\r\n\r\n"]).len(), 2);
}

#[test]
fn an_event_beyond_the_limit_is_refused_however_it_comes() {
    let refused = Err(TooLarge { max_bytes: 8 });
    let long_line = [b'x'; 9];
    assert_eq!(Reader::new(8).read(&mut &long_line[..]), refused);
    assert_eq!(Reader::new(8).read(&mut &b"data: 789\n"[..]), refused);
    assert_eq!(Reader::new(8).read(&mut &b"data:a\ndata:b\ndata:c\ndata:d\n"[..]), refused);
    let mut dripping = Reader::new(8);
    let mut results = long_line.iter().map(|byte| dripping.read(&mut std::slice::from_ref(byte)).map(|_| ()));
    assert_eq!(results.find(Result::is_err), Some(Err(TooLarge { max_bytes: 8 })));
}

#[test]
fn what_is_written_cannot_pose_as_another_field() {
    let mut out = Vec::new();
    write(&mut out, Event { name: "n\ndata: forged", id: "7\r8", data: b"a\nb\r\nc\rd" });
    write_comment(&mut out, "still\n\ndata: forged");
    write(&mut out, Event { name: "", id: "", data: b"" });
    assert_eq!(
        String::from_utf8(out).unwrap(),
        "id: 7\nevent: n\ndata: a\ndata: b\ndata: c\ndata: d\n\n: still\n\ndata: \n\n"
    );
}

fn streams() -> impl Strategy<Value = Vec<u8>> {
    let words = prop::sample::select(vec![
        "data",
        "event",
        "id",
        ":",
        " ",
        "\n",
        "\r",
        "\r\n",
        "\n\n",
        "a",
        "é",
        "{\"x\":1}",
        "\u{feff}",
        "data: ",
    ]);
    prop::collection::vec(words, 0..40).prop_map(|words| words.concat().into_bytes())
}

proptest! {
    #[test]
    fn no_split_changes_what_is_read(stream in streams(), cuts in prop::collection::vec(0_usize..200, 0..8)) {
        let whole = read_pieces([stream.as_slice()]);
        prop_assert_eq!(&read_pieces(stream.chunks(1)), &whole);
        for cut in 0..=stream.len() {
            let (head, tail) = stream.split_at(cut);
            prop_assert_eq!(&read_pieces([head, tail]), &whole);
        }
        let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(stream.len())).collect();
        cuts.sort_unstable();
        cuts.push(stream.len());
        let mut from = 0;
        let pieces = cuts.iter().map(|cut| { let piece = &stream[from..*cut]; from = *cut; piece });
        prop_assert_eq!(&read_pieces(pieces), &whole);
    }

    #[test]
    fn no_bytes_break_the_reader(stream in prop::collection::vec(any::<u8>(), 0..500)) {
        read_pieces([stream.as_slice()]);
    }

    #[test]
    fn what_is_written_is_read_back(name in "[^\r\n]{0,9}", id in "[^\r\n\0]{0,9}", lines in prop::collection::vec("[^\r\n]{0,9}", 1..5)) {
        let data = lines.join("\n");
        let mut out = Vec::new();
        write(&mut out, Event { name: &name, id: &id, data: data.as_bytes() });
        prop_assert_eq!(read_pieces([out.as_slice()]), vec![(name, id, data)]);
    }
}
