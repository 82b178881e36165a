//! Contracts written by hand in WebAssembly text.

/// Imports that the contracts below share.
const IMPORTS: &str = r#"
  (import "env" "input" (func $input (param i64)))
  (import "env" "register_len" (func $register_len (param i64) (result i64)))
  (import "env" "read_register" (func $read_register (param i64 i64)))
  (import "env" "value_return" (func $value_return (param i64 i64)))
  (import "env" "log_utf8" (func $log_utf8 (param i64 i64)))
  (import "env" "panic_utf8" (func $panic_utf8 (param i64 i64)))
  (import "env" "storage_write" (func $storage_write (param i64 i64 i64 i64 i64) (result i64)))
  (import "env" "storage_read" (func $storage_read (param i64 i64 i64) (result i64)))
  (import "env" "promise_create" (func $promise_create (param i64 i64 i64 i64 i64 i64 i64 i64) (result i64)))
  (import "env" "promise_then" (func $promise_then (param i64 i64 i64 i64 i64 i64 i64 i64 i64) (result i64)))
  (import "env" "promise_and" (func $promise_and (param i64 i64) (result i64)))
  (import "env" "promise_return" (func $promise_return (param i64)))
  (import "env" "promise_results_count" (func $promise_results_count (result i64)))
  (import "env" "promise_result" (func $promise_result (param i64 i64) (result i64)))
  (import "env" "promise_yield_create" (func $promise_yield_create (param i64 i64 i64 i64 i64 i64 i64) (result i64)))
  (import "env" "promise_yield_resume" (func $promise_yield_resume (param i64 i64 i64 i64) (result i32)))
  (import "env" "random_seed" (func $random_seed (param i64)))
"#;

/// A notebook: stores what it is given, shows it, logs, panics.
///
/// `put` stores its input under `note`; `get` returns it; `say` logs its input; `fail` panics;
/// `put_and_fail` stores, then panics; `random` returns the block's random seed.
pub fn notebook() -> Vec<u8> {
    compile(
        r#"
  (data (i32.const 0) "note")
  (data (i32.const 16) "on purpose")
  (func $load_input
    (call $input (i64.const 0))
    (call $read_register (i64.const 0) (i64.const 1024)))
  (func $store
    (call $load_input)
    (drop (call $storage_write (i64.const 4) (i64.const 0)
      (call $register_len (i64.const 0)) (i64.const 1024) (i64.const 1))))
  (func (export "put") (call $store))
  (func (export "get")
    (if (i64.eqz (call $storage_read (i64.const 4) (i64.const 0) (i64.const 0))) (then (return)))
    (call $value_return (i64.const -1) (i64.const 0)))
  (func (export "say")
    (call $load_input)
    (call $log_utf8 (call $register_len (i64.const 0)) (i64.const 1024)))
  (func (export "fail") (call $panic_utf8 (i64.const 10) (i64.const 16)))
  (func (export "put_and_fail") (call $store) (call $panic_utf8 (i64.const 10) (i64.const 16)))
  (func (export "echo")
    (call $input (i64.const 0))
    (call $value_return (i64.const -1) (i64.const 0)))
  (func (export "random")
    (call $random_seed (i64.const 0))
    (call $value_return (i64.const -1) (i64.const 0)))
"#,
    )
}

/// Calls `notebook.near` and reports what came back.
///
/// `ask` calls `echo`, then its own `answered`; `ask_failing` calls `fail` likewise; `ask_both` waits for
/// `echo` and `fail` together, then `answered`; `hand_over` returns `echo`'s result as its own. `answered`
/// returns one byte for each promise (1 succeeded, 2 failed) followed by the first result's data.
pub fn caller() -> Vec<u8> {
    compile(
        r#"
  (data (i32.const 0) "notebook.near")
  (data (i32.const 32) "echo")
  (data (i32.const 48) "fail")
  (data (i32.const 64) "caller.near")
  (data (i32.const 96) "answered")
  (data (i32.const 112) "hello")
  ;; 128: 16 zero bytes, no deposit
  (func $echo (result i64)
    (call $promise_create (i64.const 13) (i64.const 0) (i64.const 4) (i64.const 32)
      (i64.const 5) (i64.const 112) (i64.const 128) (i64.const 10000000000000)))
  (func $fail (result i64)
    (call $promise_create (i64.const 13) (i64.const 0) (i64.const 4) (i64.const 48)
      (i64.const 0) (i64.const 112) (i64.const 128) (i64.const 10000000000000)))
  (func $then (param $promise i64) (result i64)
    (call $promise_then (local.get $promise) (i64.const 11) (i64.const 64) (i64.const 8) (i64.const 96)
      (i64.const 0) (i64.const 112) (i64.const 128) (i64.const 20000000000000)))
  (func (export "ask") (call $promise_return (call $then (call $echo))))
  (func (export "ask_failing") (call $promise_return (call $then (call $fail))))
  (func (export "ask_both")
    (i64.store (i32.const 256) (call $echo))
    (i64.store (i32.const 264) (call $fail))
    (call $promise_return (call $then (call $promise_and (i64.const 256) (i64.const 2)))))
  (func (export "hand_over") (call $promise_return (call $echo)))
  (func (export "answered") (local $i i64) (local $n i64)
    (local.set $n (call $promise_results_count))
    (block $done
      (loop $next
        (br_if $done (i64.ge_u (local.get $i) (local.get $n)))
        (i64.store8 (i32.wrap_i64 (i64.add (i64.const 512) (local.get $i)))
          (call $promise_result (local.get $i) (local.get $i)))
        (local.set $i (i64.add (local.get $i) (i64.const 1)))
        (br $next)))
    (if (i64.eq (i64.load8_u (i32.const 512)) (i64.const 1)) (then
      (call $read_register (i64.const 0) (i64.add (i64.const 512) (local.get $n)))
      (call $value_return (i64.add (local.get $n) (call $register_len (i64.const 0))) (i64.const 512))
      (return)))
    (call $value_return (local.get $n) (i64.const 512)))
"#,
    )
}

/// Waits until somebody resumes it.
///
/// `wait` yields to `resumed`, keeps the data id under `id` and returns the promise; `wake` resumes it with its
/// input and returns 1 if it was waiting; `wait_and_wake` does both in one call. `resumed` returns the data, or
/// `late` when the wait has timed out.
pub fn sleeper() -> Vec<u8> {
    compile(
        r#"
  (data (i32.const 0) "resumed")
  (data (i32.const 16) "id")
  (data (i32.const 32) "late")
  (func $yield (result i64)
    (call $promise_yield_create (i64.const 7) (i64.const 0) (i64.const 0) (i64.const 0)
      (i64.const 10000000000000) (i64.const 0) (i64.const 5)))
  (func (export "wait") (local $promise i64)
    (local.set $promise (call $yield))
    (call $read_register (i64.const 5) (i64.const 256))
    (drop (call $storage_write (i64.const 2) (i64.const 16) (i64.const 32) (i64.const 256) (i64.const 6)))
    (call $promise_return (local.get $promise)))
  (func $wake (result i32)
    (call $input (i64.const 0))
    (call $read_register (i64.const 0) (i64.const 1024))
    (call $promise_yield_resume (i64.const 32) (i64.const 256)
      (call $register_len (i64.const 0)) (i64.const 1024)))
  (func (export "wake")
    (drop (call $storage_read (i64.const 2) (i64.const 16) (i64.const 5)))
    (call $read_register (i64.const 5) (i64.const 256))
    (i32.store8 (i32.const 64) (call $wake))
    (call $value_return (i64.const 1) (i64.const 64)))
  (func (export "wait_and_wake") (local $promise i64)
    (local.set $promise (call $yield))
    (call $read_register (i64.const 5) (i64.const 256))
    (drop (call $wake))
    (call $promise_return (local.get $promise)))
  (func (export "resumed")
    (if (i64.eq (call $promise_result (i64.const 0) (i64.const 0)) (i64.const 1)) (then
      (call $value_return (i64.const -1) (i64.const 0))
      (return)))
    (call $value_return (i64.const 4) (i64.const 32)))
"#,
    )
}

/// Asks the signer at `v1.signer` for whatever its input says, with one yoctoNEAR, and reports the result.
///
/// `ask` calls `sign` with its input as arguments and then its own `signed`, which returns one byte (1 answered,
/// 2 failed) followed by the answer.
pub fn client() -> Vec<u8> {
    compile(
        r#"
  (data (i32.const 0) "v1.signer")
  (data (i32.const 16) "sign")
  (data (i32.const 32) "client.near")
  (data (i32.const 48) "signed")
  (data (i32.const 128) "\01")
  ;; 160: 16 zero bytes, no deposit
  (func (export "ask")
    (call $input (i64.const 0))
    (call $read_register (i64.const 0) (i64.const 1024))
    (call $promise_return
      (call $promise_then
        (call $promise_create (i64.const 9) (i64.const 0) (i64.const 4) (i64.const 16)
          (call $register_len (i64.const 0)) (i64.const 1024) (i64.const 128) (i64.const 30000000000000))
        (i64.const 11) (i64.const 32) (i64.const 6) (i64.const 48)
        (i64.const 0) (i64.const 0) (i64.const 160) (i64.const 20000000000000))))
  (func (export "signed")
    (i64.store8 (i32.const 512) (call $promise_result (i64.const 0) (i64.const 0)))
    (if (i64.eq (i64.load8_u (i32.const 512)) (i64.const 1)) (then
      (call $read_register (i64.const 0) (i64.const 513))
      (call $value_return (i64.add (i64.const 1) (call $register_len (i64.const 0))) (i64.const 512))
      (return)))
    (call $value_return (i64.const 1) (i64.const 512)))
"#,
    )
}

fn compile(body: &str) -> Vec<u8> {
    let text = format!("(module {IMPORTS} (memory (export \"memory\") 1) {body})");
    wat::parse_str(text).expect("the contract is valid WebAssembly text")
}
