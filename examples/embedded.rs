//! Rowmill inside a program of one's own: a whole run, and a chain as a stream of one's own timely dataflow.
//!
//!     cargo run --example embedded

use std::error::Error;

use rowmill::data::{Kind, Message, Schema};
use rowmill::{Dataflow, Registry, Runtime, runtime};
use timely::dataflow::InputHandle;
use timely::dataflow::operators::{Input, Inspect, Probe};

const DATAFLOW: &str = r#"
name = "embedded"
[schema]
number = ["temperature", "humidity"]
[source]
url = "generate:rows=1000,seed=7"
[sink]
url = "null"
[[subtask]]
use = "fillna"
value = 0.0
[[subtask]]
use = "min_max_scaler"
"#;

fn main() -> Result<(), Box<dyn Error>> {
    let registry = Registry::builtin();

    // A run, as `rowmill run` does it.
    let dataflow =
        Dataflow::from_text("embedded.toml", &DATAFLOW.replace("[schema]\nnumber", "# number"), &[], &registry)?;
    let report = Runtime::builder().workers(2).run(&dataflow)?;
    println!("{} rows in, {} rows out", report.rows_in, report.rows_out);

    // The chain alone, between streams of another dataflow: messages are made and taken by that.
    let dataflow = Dataflow::from_text("embedded.toml", DATAFLOW, &[], &registry)?;
    let schema = Schema::new([("temperature", Kind::Number), ("humidity", Kind::Number)]);
    let (chain, _) = dataflow.chain(&schema)?;
    timely::execute_directly(move |worker| {
        let mut input = InputHandle::<u64, _>::new();
        let probe = worker.dataflow(|scope| {
            let messages = scope.input_from(&mut input);
            let after = runtime::preprocessed(messages, chain);
            let told = after.inspect(|message| match message {
                Ok(message) => println!("{:?}", message.column(0)),
                Err((step, fault)) => println!("step {step}: {fault}"),
            });
            told.probe().0
        });
        let temperatures = [vec![20.0, f64::NAN, 5.0], vec![1.0, f64::INFINITY, 2.0]];
        for (time, column) in (1..).zip(temperatures) {
            input.send(Message::from_columns(&[column.clone(), column]));
            input.advance_to(time);
            worker.step_while(|| probe.less_than(input.time()));
        }
    });
    Ok(())
}
