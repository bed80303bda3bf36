// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

// Counts three requests in three goroutines and prints the store's text.
package main

/*
#cgo pkg-config: --static fdmetrics
#include <fdmetrics.h>
#include <stdlib.h>

static fdm_status declare(fdm_store *store, fdm_family **family) {
  const char *names[] = {"method"};
  fdm_descriptor described = {.struct_size = sizeof described, .type = FDM_COUNTER, .name = "requests",
                              .help = "Requests answered", .label_names = names, .label_count = 1};
  return fdm_register(store, &described, family);
}
*/
import "C"

import (
	"fmt"
	"os"
	"sync"
	"unsafe"
)

func check(status C.fdm_status) {
	if status != C.FDM_OK {
		fmt.Fprintln(os.Stderr, C.GoString(C.fdm_strerror(status)))
		os.Exit(1)
	}
}

func main() {
	var store *C.fdm_store
	var family *C.fdm_family
	var requests *C.fdm_counter
	method := C.CString("GET")
	defer C.free(unsafe.Pointer(method))
	check(C.fdm_store_default(&store))
	check(C.declare(store, &family))
	check(C.fdm_counter_labels(family, &method, 1, &requests))
	var threads sync.WaitGroup
	for count := 0; count < 3; count++ {
		threads.Add(1)
		go func() {
			defer threads.Done()
			C.fdm_counter_inc(requests)
		}()
	}
	threads.Wait()
	var text *C.char
	var length C.size_t
	check(C.fdm_render(store, C.FDM_FORMAT_TEXT, 0, &text, &length))
	fmt.Print(C.GoStringN(text, C.int(length)))
	C.fdm_free(unsafe.Pointer(text))
}
