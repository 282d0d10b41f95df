//! Objects are objects: a type's fields are read by their names, and from nothing else.
//!
//! Serde takes a struct from a list, too, its fields by their places. Nobody means that, and who is told nothing
//! believes that something else was understood. This stands between a reader and the types, passes everything on
//! as it is, and refuses that.

use std::fmt;

use serde::de::{
    Deserialize, DeserializeSeed, Deserializer, EnumAccess, Error, MapAccess, SeqAccess, VariantAccess, Visitor,
};

/// What is said of a list in an object's place.
pub(super) const REFUSED: &str = "found an array; allowed: an object";

/// A reader, or a part of one, through which no struct is read from a list.
pub(super) struct Objects<T>(pub(super) T);

/// Reads a value so.
pub(super) fn read<'de, T: Deserialize<'de>, D: Deserializer<'de>>(reader: D) -> Result<T, D::Error> {
    T::deserialize(Objects(reader))
}

/// A type's own reader, which is passed what comes.
struct Inside<V> {
    visitor: V,
    wants_object: bool,
}

const fn any<V>(visitor: V) -> Inside<V> {
    Inside { visitor, wants_object: false }
}

const fn object<V>(visitor: V) -> Inside<V> {
    Inside { visitor, wants_object: true }
}

macro_rules! pass_on_reads {
    ($($name:ident)*) => {
        $(fn $name<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
            self.0.$name(any(visitor))
        })*
    };
}

impl<'de, D: Deserializer<'de>> Deserializer<'de> for Objects<D> {
    type Error = D::Error;

    pass_on_reads! {
        deserialize_any deserialize_bool deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64
        deserialize_i128 deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64 deserialize_u128
        deserialize_f32 deserialize_f64 deserialize_char deserialize_str deserialize_string deserialize_bytes
        deserialize_byte_buf deserialize_option deserialize_unit deserialize_seq deserialize_map
        deserialize_identifier deserialize_ignored_any
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        self.0.deserialize_struct(name, fields, object(visitor))
    }
    fn deserialize_unit_struct<V: Visitor<'de>>(self, name: &'static str, visitor: V) -> Result<V::Value, D::Error> {
        self.0.deserialize_unit_struct(name, any(visitor))
    }
    fn deserialize_newtype_struct<V: Visitor<'de>>(self, name: &'static str, visitor: V) -> Result<V::Value, D::Error> {
        self.0.deserialize_newtype_struct(name, any(visitor))
    }
    fn deserialize_tuple<V: Visitor<'de>>(self, len: usize, visitor: V) -> Result<V::Value, D::Error> {
        self.0.deserialize_tuple(len, any(visitor))
    }
    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        len: usize,
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        self.0.deserialize_tuple_struct(name, len, any(visitor))
    }
    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        self.0.deserialize_enum(name, variants, any(visitor))
    }
    fn is_human_readable(&self) -> bool {
        self.0.is_human_readable()
    }
}

macro_rules! pass_on_values {
    ($($name:ident: $kind:ty,)*) => {
        $(fn $name<E: Error>(self, value: $kind) -> Result<V::Value, E> {
            self.visitor.$name(value)
        })*
    };
}

impl<'de, V: Visitor<'de>> Visitor<'de> for Inside<V> {
    type Value = V::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.visitor.expecting(f)
    }

    pass_on_values! {
        visit_bool: bool, visit_i8: i8, visit_i16: i16, visit_i32: i32, visit_i64: i64, visit_i128: i128,
        visit_u8: u8, visit_u16: u16, visit_u32: u32, visit_u64: u64, visit_u128: u128, visit_f32: f32,
        visit_f64: f64, visit_char: char, visit_str: &str, visit_borrowed_str: &'de str, visit_string: String,
        visit_bytes: &[u8], visit_borrowed_bytes: &'de [u8], visit_byte_buf: Vec<u8>,
    }

    fn visit_none<E: Error>(self) -> Result<V::Value, E> {
        self.visitor.visit_none()
    }
    fn visit_unit<E: Error>(self) -> Result<V::Value, E> {
        self.visitor.visit_unit()
    }
    fn visit_some<D: Deserializer<'de>>(self, value: D) -> Result<V::Value, D::Error> {
        self.visitor.visit_some(Objects(value))
    }
    fn visit_newtype_struct<D: Deserializer<'de>>(self, value: D) -> Result<V::Value, D::Error> {
        self.visitor.visit_newtype_struct(Objects(value))
    }
    fn visit_seq<A: SeqAccess<'de>>(self, items: A) -> Result<V::Value, A::Error> {
        if self.wants_object { Err(A::Error::custom(REFUSED)) } else { self.visitor.visit_seq(Objects(items)) }
    }
    fn visit_map<A: MapAccess<'de>>(self, fields: A) -> Result<V::Value, A::Error> {
        self.visitor.visit_map(Objects(fields))
    }
    fn visit_enum<A: EnumAccess<'de>>(self, variant: A) -> Result<V::Value, A::Error> {
        self.visitor.visit_enum(Objects(variant))
    }
}

impl<'de, S: DeserializeSeed<'de>> DeserializeSeed<'de> for Objects<S> {
    type Value = S::Value;

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<S::Value, D::Error> {
        self.0.deserialize(Objects(reader))
    }
}

impl<'de, A: SeqAccess<'de>> SeqAccess<'de> for Objects<A> {
    type Error = A::Error;

    fn next_element_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, A::Error> {
        self.0.next_element_seed(Objects(seed))
    }
    fn size_hint(&self) -> Option<usize> {
        self.0.size_hint()
    }
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for Objects<A> {
    type Error = A::Error;

    fn next_key_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, A::Error> {
        self.0.next_key_seed(seed)
    }
    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, A::Error> {
        self.0.next_value_seed(Objects(seed))
    }
    fn size_hint(&self) -> Option<usize> {
        self.0.size_hint()
    }
}

impl<'de, A: EnumAccess<'de>> EnumAccess<'de> for Objects<A> {
    type Error = A::Error;
    type Variant = Objects<A::Variant>;

    fn variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<(S::Value, Self::Variant), A::Error> {
        self.0.variant_seed(seed).map(|(name, content)| (name, Objects(content)))
    }
}

impl<'de, A: VariantAccess<'de>> VariantAccess<'de> for Objects<A> {
    type Error = A::Error;

    fn unit_variant(self) -> Result<(), A::Error> {
        self.0.unit_variant()
    }
    fn newtype_variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value, A::Error> {
        self.0.newtype_variant_seed(Objects(seed))
    }
    fn tuple_variant<V: Visitor<'de>>(self, len: usize, visitor: V) -> Result<V::Value, A::Error> {
        self.0.tuple_variant(len, any(visitor))
    }
    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, A::Error> {
        self.0.struct_variant(fields, object(visitor))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde::Deserialize;
    use serde_json::value::RawValue;

    use super::*;

    #[derive(Debug, PartialEq, Deserialize)]
    struct Point {
        x: u32,
        y: Option<u32>,
    }

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(rename_all = "lowercase")]
    enum Shape {
        Dot,
        Line(Point, Point),
        Round { centre: Point },
    }

    #[derive(Debug, Deserialize)]
    struct Outer<'a> {
        points: Vec<Point>,
        named: Option<BTreeMap<String, Point>>,
        pair: Option<(u32, Point)>,
        shape: Option<Shape>,
        raw: Option<Box<RawValue>>,
        text: Option<&'a str>,
    }

    fn outer(text: &str) -> Result<Outer<'_>, String> {
        let mut reader = serde_json::Deserializer::from_str(text);
        read(&mut reader).map_err(|error: serde_json::Error| error.to_string())
    }

    #[test]
    fn what_is_no_list_in_an_objects_place_is_read_as_ever() {
        let text = r#"{"points":[{"x":1},{"x":2,"y":3}],"named":{"a":{"x":4,"y":null}},"pair":[5,{"x":6}],
            "shape":{"line":[{"x":7},{"x":8}]},"raw":[[1,2]],"text":"t"}"#;
        let point = |x, y| Point { x, y };
        let Outer { points, named, pair, shape, raw, text } = outer(text).unwrap();
        assert_eq!(points, [point(1, None), point(2, Some(3))]);
        assert_eq!(named, Some([("a".to_owned(), point(4, None))].into()));
        assert_eq!(pair, Some((5, point(6, None))));
        assert_eq!(shape, Some(Shape::Line(point(7, None), point(8, None))));
        assert_eq!((raw.unwrap().get(), text), ("[[1,2]]", Some("t")));
        let shape = |text: &str| outer(&format!(r#"{{"points":[],"shape":{text}}}"#)).unwrap().shape.unwrap();
        assert_eq!(shape(r#""dot""#), Shape::Dot);
        assert_eq!(shape(r#"{"round":{"centre":{"x":1}}}"#), Shape::Round { centre: point(1, None) });
    }

    #[test]
    fn a_list_in_an_objects_place_is_refused_wherever_it_stands() {
        for text in [
            r#"{"points":[[1,2]]}"#,
            r#"{"points":[[]]}"#,
            r#"{"points":[],"named":{"a":[1,2]}}"#,
            r#"{"points":[],"pair":[1,[1,2]]}"#,
            r#"{"points":[],"shape":{"line":[{"x":1},[1,2]]}}"#,
            r#"{"points":[],"shape":{"round":[{"x":1}]}}"#,
            r#"{"points":[],"shape":{"round":{"centre":[1,2]}}}"#,
            r#"[[],null,null,null,null,null]"#,
        ] {
            let error = outer(text).unwrap_err();
            assert!(error.starts_with(REFUSED), "{text}: {error}");
        }
    }
}
