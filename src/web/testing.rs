//! What tests of dataflow files share.

pub const TEXT: &str = r#"# Ours.
name = "w" # shown

[source]
url = "mqtt://h/t"

# The first step.
[[subtask]]
use = "clip"
upper = 1.0 # at most

[[subtask]]
use = "binarizer"

[sink]
url = "null"
"#;
