// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

// Counts three requests in three threads and prints the store's text. The declarations are those of fdmetrics.h.
use std::ffi::{c_char, c_void, CStr};
use std::ptr::{null, null_mut};

#[repr(C)]
struct Descriptor {
    struct_size: usize,
    kind: u32,
    gauge_mode: u32,
    name: *const c_char,
    help: *const c_char,
    unit: *const c_char,
    label_names: *const *const c_char,
    label_count: usize,
    bounds: *const f64,
    bound_count: usize,
    states: *const *const c_char,
    state_count: usize,
}

extern "C" {
    fn fdm_last_error() -> *const c_char;
    fn fdm_store_default(store: *mut *mut c_void) -> i32;
    fn fdm_register(store: *mut c_void, descriptor: *const Descriptor, family: *mut *mut c_void) -> i32;
    fn fdm_counter_labels(family: *mut c_void, values: *const *const c_char, count: usize, counter: *mut *mut c_void) -> i32;
    fn fdm_counter_inc(counter: *mut c_void);
    fn fdm_render(store: *mut c_void, format: u32, options: u32, text: *mut *mut c_char, length: *mut usize) -> i32;
    fn fdm_free(pointer: *mut c_void);
}

const COUNTER: u32 = 1;
const TEXT: u32 = 1;

fn check(status: i32) {
    assert_eq!(status, 0, "{}", unsafe { CStr::from_ptr(fdm_last_error()) }.to_string_lossy());
}

fn main() {
    let names = [c"method".as_ptr()];
    let values = [c"GET".as_ptr()];
    let described = Descriptor {
        struct_size: std::mem::size_of::<Descriptor>(),
        kind: COUNTER,
        gauge_mode: 0,
        name: c"requests".as_ptr(),
        help: c"Requests answered".as_ptr(),
        unit: null(),
        label_names: names.as_ptr(),
        label_count: 1,
        bounds: null(),
        bound_count: 0,
        states: null(),
        state_count: 0,
    };
    let (mut store, mut family, mut requests) = (null_mut(), null_mut(), null_mut());
    let (mut text, mut length) = (null_mut(), 0);
    unsafe {
        check(fdm_store_default(&mut store));
        check(fdm_register(store, &described, &mut family));
        check(fdm_counter_labels(family, values.as_ptr(), 1, &mut requests));
        let address = requests as usize;
        let threads: Vec<_> =
            (0..3).map(|_| std::thread::spawn(move || fdm_counter_inc(address as *mut c_void))).collect();
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        check(fdm_render(store, TEXT, 0, &mut text, &mut length));
        print!("{}", CStr::from_ptr(text).to_str().unwrap());
        fdm_free(text.cast());
    }
}
