//! Bytes of a record to slots, guided by the trie: what no line reads is skipped without making anything of it.

use std::borrow::Cow;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::Stop;
use super::slot::Slot;
use super::trie::{Child, Trie};

/// The slots of a record.
pub(super) fn fill<'a>(trie: &Trie, count: usize, record: &'a [u8]) -> Result<Vec<Slot<'a>>, Stop> {
    let text = std::str::from_utf8(record).map_err(|error| Stop::NoRecord(error.to_string()))?;
    let mut slots = vec![Slot::Absent; count];
    let mut json = serde_json::Deserializer::from_str(text);
    let object = Object { trie, node: 0, slots: &mut slots };
    object.deserialize(&mut json).and_then(|()| json.end()).map_err(|error| Stop::NoRecord(error.to_string()))?;
    Ok(slots)
}

/// An object whose members go into slots.
struct Object<'t, 's, 'a> {
    trie: &'t Trie,
    node: u16,
    slots: &'s mut [Slot<'a>],
}

impl<'a> DeserializeSeed<'a> for Object<'_, '_, 'a> {
    type Value = ();

    fn deserialize<D: Deserializer<'a>>(self, json: D) -> Result<(), D::Error> {
        json.deserialize_map(self)
    }
}

impl<'a> Visitor<'a> for Object<'_, '_, 'a> {
    type Value = ();

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("an object")
    }

    fn visit_map<M: MapAccess<'a>>(self, mut members: M) -> Result<(), M::Error> {
        let Self { trie, node, slots } = self;
        while let Some(child) = members.next_key_seed(Key { trie, node })? {
            match child {
                None => {
                    members.next_value::<IgnoredAny>()?;
                }
                Some(Child::Field(slot)) => slots[usize::from(slot)] = members.next_value_seed(Field)?,
                Some(Child::Link { slot, behind, node }) => {
                    // A key that stands twice counts the second time, with nothing left of the first.
                    let nested = &mut slots[usize::from(slot)..usize::from(behind)];
                    nested.fill(Slot::Absent);
                    members.next_value_seed(Link { trie, node, slot: usize::from(slot), slots: &mut *slots })?;
                }
            }
        }
        Ok(())
    }
}

/// A key, looked up where it stands.
struct Key<'t> {
    trie: &'t Trie,
    node: u16,
}

impl<'a> DeserializeSeed<'a> for Key<'_> {
    type Value = Option<Child>;

    fn deserialize<D: Deserializer<'a>>(self, json: D) -> Result<Self::Value, D::Error> {
        json.deserialize_str(self)
    }
}

impl Visitor<'_> for Key<'_> {
    type Value = Option<Child>;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a key")
    }

    fn visit_str<E: Error>(self, key: &str) -> Result<Self::Value, E> {
        Ok(self.trie.child(self.node, key))
    }
}

/// A field's value.
struct Field;

impl<'a> DeserializeSeed<'a> for Field {
    type Value = Slot<'a>;

    fn deserialize<D: Deserializer<'a>>(self, json: D) -> Result<Slot<'a>, D::Error> {
        json.deserialize_any(self)
    }
}

impl<'a> Visitor<'a> for Field {
    type Value = Slot<'a>;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a value")
    }

    fn visit_unit<E: Error>(self) -> Result<Slot<'a>, E> {
        Ok(Slot::Null)
    }

    fn visit_bool<E: Error>(self, yes: bool) -> Result<Slot<'a>, E> {
        Ok(Slot::Flag(yes))
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Slot<'a>, E> {
        Ok(Slot::Signed(number))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Slot<'a>, E> {
        Ok(i64::try_from(number).map_or(Slot::Unsigned(number), Slot::Signed))
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<Slot<'a>, E> {
        Ok(Slot::Float(number))
    }

    fn visit_borrowed_str<E: Error>(self, text: &'a str) -> Result<Slot<'a>, E> {
        Ok(Slot::Text(Cow::Borrowed(text)))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Slot<'a>, E> {
        Ok(Slot::Text(Cow::Owned(text.to_owned())))
    }

    fn visit_seq<S: SeqAccess<'a>>(self, values: S) -> Result<Slot<'a>, S::Error> {
        use serde::Deserialize;
        serde_json::Value::deserialize(serde::de::value::SeqAccessDeserializer::new(values)).map(Slot::Tree)
    }

    fn visit_map<M: MapAccess<'a>>(self, members: M) -> Result<Slot<'a>, M::Error> {
        use serde::Deserialize;
        serde_json::Value::deserialize(serde::de::value::MapAccessDeserializer::new(members)).map(Slot::Tree)
    }
}

/// A link's value: the linked record, its id, or nothing.
struct Link<'t, 's, 'a> {
    trie: &'t Trie,
    node: u16,
    slot: usize,
    slots: &'s mut [Slot<'a>],
}

impl<'a> DeserializeSeed<'a> for Link<'_, '_, 'a> {
    type Value = ();

    fn deserialize<D: Deserializer<'a>>(self, json: D) -> Result<(), D::Error> {
        json.deserialize_any(self)
    }
}

impl<'a> Visitor<'a> for Link<'_, '_, 'a> {
    type Value = ();

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a linked record")
    }

    fn visit_map<M: MapAccess<'a>>(self, members: M) -> Result<(), M::Error> {
        self.slots[self.slot] = Slot::Record;
        Object { trie: self.trie, node: self.node, slots: self.slots }.visit_map(members)
    }

    fn visit_seq<S: SeqAccess<'a>>(self, values: S) -> Result<(), S::Error> {
        self.slots[self.slot] = Field.visit_seq(values)?;
        Ok(())
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        self.slots[self.slot] = Slot::Null;
        Ok(())
    }

    fn visit_bool<E: Error>(self, yes: bool) -> Result<(), E> {
        self.slots[self.slot] = Slot::Flag(yes);
        Ok(())
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<(), E> {
        self.slots[self.slot] = Slot::Signed(number);
        Ok(())
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<(), E> {
        self.slots[self.slot] = Field.visit_u64(number)?;
        Ok(())
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<(), E> {
        self.slots[self.slot] = Slot::Float(number);
        Ok(())
    }

    fn visit_borrowed_str<E: Error>(self, text: &'a str) -> Result<(), E> {
        self.slots[self.slot] = Slot::Text(Cow::Borrowed(text));
        Ok(())
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<(), E> {
        self.slots[self.slot] = Field.visit_str(text)?;
        Ok(())
    }
}
