//! The chain of a dataflow as a stream in another program's timely dataflow.

use timely::dataflow::StreamVec;
use timely::dataflow::operators::vec::Map;
use timely::progress::Timestamp;

use crate::data::Message;
use crate::subtasks::{Chain, ChainEvent, Fault, RefusedRows};

/// Messages after a chain; or the step that rejected one, counted from 0, and why, also before a message of which it
/// rejected some rows. Workers keep their own messages.
///
/// ```
/// use rowmill::data::{Kind, Message, Schema};
/// use rowmill::{Dataflow, Registry, runtime};
/// use timely::dataflow::operators::{Inspect, ToStream};
///
/// let text = "source.url = '-'\nsink.url = '-'\nschema = { number = ['t'] }\n[[subtask]]\nuse = 'max_abs_scaler'";
/// let dataflow = Dataflow::from_text("t.toml", text, &[], &Registry::builtin()).unwrap();
/// let (chain, _) = dataflow.chain(&Schema::new([("t", Kind::Number)])).unwrap();
/// timely::execute_directly(move |worker| {
///     worker.dataflow::<u64, _, _>(|scope| {
///         let messages = vec![Message::from_columns(&[vec![1.0, -4.0]])].to_stream(scope);
///         let after = runtime::preprocessed(messages, chain);
///         after.inspect(|message| assert_eq!(message.as_ref().unwrap().column(0), [0.25, -1.0]));
///     });
/// });
/// ```
pub fn preprocessed<'scope, T: Timestamp>(
    messages: StreamVec<'scope, T, Message>,
    chain: Chain,
) -> StreamVec<'scope, T, Result<Message, (usize, Fault)>> {
    messages.flat_map(move |mut message| {
        let mut out = Vec::new();
        let ran = chain.apply(&mut message, |event| {
            if let ChainEvent::Refused(RefusedRows { step, ids, reason }) = event {
                out.push(Err((step, Fault::new(format!("{reason} Rows {ids:?}.")))));
            }
        });
        out.push(ran.map(|()| message));
        out
    })
}
