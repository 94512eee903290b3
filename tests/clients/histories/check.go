package main

import (
	"fmt"
	"math"
	"sort"
	"time"

	"github.com/anishathalye/porcupine"
)

// What a name has, and how many operations with a certain answer are still to come.
type state struct {
	value string
	left  int
}

// A name's TXT record is a register; the empty string is its absence. An update without a certain answer may take effect at any time after it
// was sent: it returns after everything else, and nothing is said of its outcome. Where it took none, it comes last: only there, or
// each could stand anywhere, and too many orders would have to be tried.
func register(operations []porcupine.Operation) porcupine.Model {
	certain := 0
	for _, o := range operations {
		if o.Output.(string) != "uncertain" {
			certain++
		}
	}
	return porcupine.Model{
		Init: func() interface{} { return state{"", certain} },
		Step: func(at, input, output interface{}) (bool, interface{}) {
			e, now := input.(event), at.(state)
			holds := e.Kind == "set" || now.value == e.Expect
			next := now
			if holds && e.Kind != "is" {
				next.value = e.Value
			}
			switch output.(string) {
			case "NOERROR":
				next.left--
				return holds, next
			case "denied":
				now.left--
				return !holds, now
			default:
				return holds || now.left == 0, next
			}
		},
	}
}

// A counter has each value once, so of those without a certain answer that would write the same one at most takes effect: the first
// that was sent may stand for all.
func single(operations []porcupine.Operation) []porcupine.Operation {
	var kept []porcupine.Operation
	first := map[string]int{}
	for _, o := range operations {
		e := o.Input.(event)
		if e.Name[0] != 'c' || o.Output.(string) != "uncertain" {
			kept = append(kept, o)
		} else if i, known := first[e.Value]; !known {
			first[e.Value] = len(kept)
			kept = append(kept, o)
		} else if o.Call < kept[i].Call {
			kept[i] = o
		}
	}
	return kept
}

func judge(operations []porcupine.Operation, patience time.Duration) porcupine.CheckResult {
	return porcupine.CheckOperationsTimeout(register(operations), operations, patience)
}

// The answer as the model knows it.
func outcome(e event) (string, error) {
	switch e.Result {
	case "NOERROR":
		return "NOERROR", nil
	case "NXRRSET", "YXDOMAIN":
		// The copy of an unanswered addition was denied: the first may have been applied later, after a deletion.
		if e.Tries > 1 && e.Kind == "add" {
			return "uncertain", nil
		}
		return "denied", nil
	case "none", "SERVFAIL":
		return "uncertain", nil
	}
	return "", fmt.Errorf("%s of %s at gateway %d: %s", e.Kind, e.Name, e.Gateway, e.Result)
}

func check(path string) error {
	events, err := read(path)
	if err != nil {
		return err
	}
	names := map[string][]porcupine.Operation{}
	count := map[string]int{}
	for _, e := range events {
		if e.Kind == "query" || e.Kind == "probe" || e.Result == "unsent" {
			count[e.Kind]++
			continue
		}
		result, err := outcome(e)
		if err != nil {
			return err
		}
		count[result]++
		end := e.End
		if result == "uncertain" {
			if e.Kind == "is" {
				continue
			}
			end = math.MaxInt64
		}
		names[e.Name] = append(names[e.Name], porcupine.Operation{ClientId: e.Client, Input: e, Call: e.Begin, Output: result, Return: end})
	}
	bad := 0
	for name, operations := range names {
		operations = single(operations)
		if result := judge(operations, 10*time.Minute); result != porcupine.Ok {
			bad++
			explain(name, operations, string(result))
		}
	}
	fmt.Printf("%d names, %d NOERROR, %d denied, %d uncertain, %d queries: ", len(names), count["NOERROR"], count["denied"], count["uncertain"], count["query"])
	if bad > 0 {
		return fmt.Errorf("%d names are not linearizable", bad)
	}
	fmt.Println("linearizable")
	return nil
}

// The shortest beginning of the history that is not linearizable, its end.
func explain(name string, operations []porcupine.Operation, result string) {
	sort.Slice(operations, func(i, j int) bool { return operations[i].Return < operations[j].Return })
	n := sort.Search(len(operations), func(i int) bool {
		return judge(until(operations, operations[i].Return), time.Minute) != porcupine.Ok
	})
	fmt.Printf("%s: %s\n", name, result)
	if n == len(operations) {
		return
	}
	for _, o := range until(operations, operations[n].Return) {
		if e := o.Input.(event); o.Return == math.MaxInt64 || o.Return > operations[max(0, n-12)].Return {
			fmt.Printf("  %d-%d gateway %d tries %d %s %q -> %q: %s\n", e.Begin, e.End, e.Gateway, e.Tries, e.Kind, e.Expect, e.Value, o.Output)
		}
	}
}

// What had begun by then; what had not ended is uncertain.
func until(operations []porcupine.Operation, end int64) []porcupine.Operation {
	var part []porcupine.Operation
	for _, o := range operations {
		if o.Call > end {
			continue
		}
		if o.Return > end {
			o.Return, o.Output = math.MaxInt64, "uncertain"
		}
		part = append(part, o)
	}
	return part
}
