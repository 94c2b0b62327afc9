//! Labels of ENUM and SET in a stored definition: a list, or nothing.

use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

pub(super) fn serialize<S: Serializer>(labels: &Option<Arc<[String]>>, serializer: S) -> Result<S::Ok, S::Error> {
    labels.as_deref().serialize(serializer)
}

pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Arc<[String]>>, D::Error> {
    Ok(Option::<Vec<String>>::deserialize(deserializer)?.map(Arc::from))
}
