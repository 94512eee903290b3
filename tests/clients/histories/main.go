// Clients of many gateways, and what they saw: run makes updates and queries and writes a history, check judges it.
//
//	histories run -gateways HOST:PORT,… -key NAME -secret BASE64 -out FILE [-names N] [-updates N] [-clients N] [-rate N] [-patience TIME]
//	histories check FILE
//
// A name is a register (rN) or a counter (cN), one TXT record each. Every update but `set` has a prerequisite. run ends after N updates
// or with SIGINT. Times are those of CLOCK_MONOTONIC, in nanoseconds.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// One thing that a client did to a name, a line of the history.
type event struct {
	Client  int    `json:"client"`
	Name    string `json:"name"`
	Kind    string `json:"kind"`             // add, replace, delete, set, is (a question with prerequisites); query, probe
	Expect  string `json:"expect,omitempty"` // prerequisite of replace, delete, is; empty: absent
	Value   string `json:"value,omitempty"`  // what is written; of a query: what was seen
	Gateway int    `json:"gateway"`          // the last one asked
	Tries   int    `json:"tries,omitempty"`  // how often the same message was sent
	Begin   int64  `json:"begin"`
	End     int64  `json:"end"`
	Result  string `json:"result"` // rcode; "none": no answer; "unsent": it reached nobody
}

func now() int64 {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &t); err != nil {
		panic(err)
	}
	return t.Nano()
}

func read(path string) ([]event, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	var events []event
	for decoder := json.NewDecoder(bufio.NewReader(file)); decoder.More(); {
		var e event
		if err := decoder.Decode(&e); err != nil {
			return nil, err
		}
		events = append(events, e)
	}
	return events, nil
}

func main() {
	var err error
	switch {
	case len(os.Args) > 2 && os.Args[1] == "run":
		err = run(os.Args[2:])
	case len(os.Args) == 3 && os.Args[1] == "check":
		err = check(os.Args[2])
	default:
		err = fmt.Errorf("usage: histories run OPTIONS | histories check FILE")
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
