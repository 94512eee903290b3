// linear: is what clients of several gateways were told linearizable, each name for itself?
//
//	linear HISTORY   JSON, one operation a line: {"client":0,"name":"a","op":"cas","from":"x","to":"y","outcome":"ok","call":1,"end":2}
//
// op is write (to), cas (from, to) or read (from): a register for each name, "" where the name has nothing. outcome is ok, no (the
// prerequisite did not hold) or unknown (no answer, or one that leaves it open: it may take effect at any time later, or never).
// Prints one line; exit 1 where a name's history cannot be explained, which is then in HISTORY.html.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"sort"
	"time"

	"github.com/anishathalye/porcupine"
)

type operation struct {
	Client  int    `json:"client"`
	Name    string `json:"name"`
	Op      string `json:"op"`
	From    string `json:"from"`
	To      string `json:"to"`
	Outcome string `json:"outcome"`
	Call    int64  `json:"call"`
	End     int64  `json:"end"`
}

// step is what the operation does to a register that holds `state`, if that explains what was answered.
func step(state string, op operation) (bool, string) {
	holds := op.Op == "write" || state == op.From
	if op.Outcome == "unknown" {
		if holds {
			return true, op.To
		}
		return true, state
	}
	if holds != (op.Outcome == "ok") {
		return false, state
	}
	if holds && op.Op != "read" {
		return true, op.To
	}
	return true, state
}

func model() porcupine.Model {
	return porcupine.Model{
		Partition: func(history []porcupine.Operation) [][]porcupine.Operation {
			names := map[string][]porcupine.Operation{}
			for _, one := range history {
				name := one.Input.(operation).Name
				names[name] = append(names[name], one)
			}
			var parts [][]porcupine.Operation
			for _, part := range names {
				parts = append(parts, part)
			}
			sort.Slice(parts, func(i, j int) bool {
				return parts[i][0].Input.(operation).Name < parts[j][0].Input.(operation).Name
			})
			return parts
		},
		Init: func() interface{} { return "" },
		Step: func(state, input, output interface{}) (bool, interface{}) {
			return step(state.(string), input.(operation))
		},
		DescribeOperation: func(input, output interface{}) string {
			op := input.(operation)
			return fmt.Sprintf("%s %s %q->%q %s", op.Name, op.Op, op.From, op.To, op.Outcome)
		},
	}
}

func read(path string) ([]porcupine.Operation, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	var history []porcupine.Operation
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		var op operation
		if err := json.Unmarshal(lines.Bytes(), &op); err != nil {
			return nil, err
		}
		if op.Outcome == "unknown" {
			if op.Op == "read" {
				continue
			}
			op.End = math.MaxInt64
		}
		history = append(history, porcupine.Operation{ClientId: op.Client, Input: op, Call: op.Call, Output: op.Outcome, Return: op.End})
	}
	return history, lines.Err()
}

func main() {
	history, err := read(os.Args[1])
	if err != nil {
		fmt.Fprintln(os.Stderr, "linear:", err)
		os.Exit(2)
	}
	result, info := porcupine.CheckOperationsVerbose(model(), history, 2*time.Minute)
	fmt.Printf("%s operations=%d\n", result, len(history))
	if result != porcupine.Ok {
		_ = porcupine.VisualizePath(model(), info, os.Args[1]+".html")
		os.Exit(1)
	}
}
