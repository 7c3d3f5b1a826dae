//! A part of a row that is decoded only where somebody asks for it, for what is seldom asked for and costs much.

use std::fmt;
use std::marker::PhantomData;

use serde::de::{DeserializeOwned, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A `T` as its postcard bytes.
pub(crate) struct Packed<T> {
    bytes: Vec<u8>,
    of: PhantomData<fn() -> T>,
}

impl<T: Serialize + DeserializeOwned> Packed<T> {
    pub(crate) fn pack(content: &T) -> Self {
        Self::from_bytes(postcard::to_stdvec(content).expect("rows hold plain data"))
    }

    /// What was packed; the reason where the bytes are none of it.
    pub(crate) fn unpack(&self) -> Result<T, String> {
        postcard::from_bytes(&self.bytes).map_err(|error| error.to_string())
    }
}

impl<T> Packed<T> {
    fn from_bytes(bytes: Vec<u8>) -> Self {
        Self { bytes, of: PhantomData }
    }
}

impl<T> Clone for Packed<T> {
    fn clone(&self) -> Self {
        Self::from_bytes(self.bytes.clone())
    }
}

impl<T> PartialEq for Packed<T> {
    fn eq(&self, other: &Self) -> bool {
        self.bytes == other.bytes
    }
}

impl<T> fmt::Debug for Packed<T> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} bytes", self.bytes.len())
    }
}

impl<T> Serialize for Packed<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.bytes)
    }
}

impl<'de, T> Deserialize<'de> for Packed<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Bytes;
        impl Visitor<'_> for Bytes {
            type Value = Vec<u8>;

            fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str("bytes")
            }

            fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Vec<u8>, E> {
                Ok(bytes.to_vec())
            }
        }
        deserializer.deserialize_bytes(Bytes).map(Self::from_bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decide::model::row::Row;

    #[test]
    fn what_is_packed_comes_out_of_a_row_as_it_was() {
        let row = (7_u8, Packed::pack(&("a text".to_owned(), Some(3_i64))), 8_u8);
        let read = <(u8, Packed<(String, Option<i64>)>, u8)>::decode(&row.encode()).expect("readable");
        assert_eq!(read, row);
        assert_eq!(read.1.unpack(), Ok(("a text".to_owned(), Some(3))));
    }

    #[test]
    fn bytes_of_something_else_are_told() {
        let packed = Packed::<(u64, String)>::from_bytes(vec![1, 9, b'a']);
        assert!(packed.unpack().is_err());
    }
}
