//! The messages of Sparkplug B, as far as they are read: `sparkplug_b.proto` of Eclipse Tahu. What is not listed is passed
//! over.

/// The payload of a message.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct SparkplugPayload {
    #[prost(uint64, optional, tag = "1")]
    pub timestamp: Option<u64>,
    #[prost(message, repeated, tag = "2")]
    pub metrics: Vec<SparkplugMetric>,
    #[prost(uint64, optional, tag = "3")]
    pub seq: Option<u64>,
    #[prost(string, optional, tag = "4")]
    pub uuid: Option<String>,
    /// Of a packed payload: the payload that it holds.
    #[prost(bytes, optional, tag = "5")]
    pub body: Option<Vec<u8>>,
}

/// A metric of a payload.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct SparkplugMetric {
    #[prost(string, optional, tag = "1")]
    pub name: Option<String>,
    #[prost(uint64, optional, tag = "2")]
    pub alias: Option<u64>,
    #[prost(uint64, optional, tag = "3")]
    pub timestamp: Option<u64>,
    #[prost(uint32, optional, tag = "4")]
    pub datatype: Option<u32>,
    #[prost(bool, optional, tag = "7")]
    pub is_null: Option<bool>,
    #[prost(oneof = "Value", tags = "10, 11, 12, 13, 14, 15, 16, 17, 18, 19")]
    pub value: Option<Value>,
}

/// The value of a metric. Extensions are kept as they are.
#[derive(Clone, PartialEq, prost::Oneof)]
pub(crate) enum Value {
    #[prost(uint32, tag = "10")]
    Int(u32),
    #[prost(uint64, tag = "11")]
    Long(u64),
    #[prost(float, tag = "12")]
    Float(f32),
    #[prost(double, tag = "13")]
    Double(f64),
    #[prost(bool, tag = "14")]
    Boolean(bool),
    #[prost(string, tag = "15")]
    String(String),
    #[prost(bytes, tag = "16")]
    Bytes(Vec<u8>),
    #[prost(message, tag = "17")]
    DataSet(DataSet),
    #[prost(message, tag = "18")]
    Template(Template),
    #[prost(bytes, tag = "19")]
    Extension(Vec<u8>),
}

/// A table of values.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct DataSet {
    #[prost(string, repeated, tag = "2")]
    pub columns: Vec<String>,
    #[prost(uint32, repeated, tag = "3")]
    pub types: Vec<u32>,
    #[prost(message, repeated, tag = "4")]
    pub rows: Vec<DataSetRow>,
}

/// A row of a data set.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct DataSetRow {
    #[prost(message, repeated, tag = "1")]
    pub elements: Vec<DataSetElement>,
}

/// A cell of a data set.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct DataSetElement {
    #[prost(oneof = "DataSetValue", tags = "1, 2, 3, 4, 5, 6")]
    pub value: Option<DataSetValue>,
}

/// The value of a data set's cell.
#[derive(Clone, PartialEq, prost::Oneof)]
pub(crate) enum DataSetValue {
    #[prost(uint32, tag = "1")]
    Int(u32),
    #[prost(uint64, tag = "2")]
    Long(u64),
    #[prost(float, tag = "3")]
    Float(f32),
    #[prost(double, tag = "4")]
    Double(f64),
    #[prost(bool, tag = "5")]
    Boolean(bool),
    #[prost(string, tag = "6")]
    String(String),
}

/// Metrics under one name: a definition, or an instance of one.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Template {
    #[prost(message, repeated, tag = "2")]
    pub metrics: Vec<SparkplugMetric>,
}
