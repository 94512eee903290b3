// Signed updates and queries by miekg/dns, the library of lego, ExternalDNS, CoreDNS, Terraform and cert-manager.
//
//	miekg ADDRESS KEY SECRET NETWORK
//
// Adds, asks with a signed query, replaces, fails a prerequisite, deletes; prints "ok" or what is wrong.
package main

import (
	"fmt"
	"os"
	"time"

	"github.com/miekg/dns"
)

func check(ok bool, format string, args ...any) {
	if !ok {
		fmt.Printf(format+"\n", args...)
		os.Exit(1)
	}
}

func rr(text string) dns.RR {
	r, err := dns.NewRR(text)
	check(err == nil, "%s: %v", text, err)
	return r
}

func main() {
	address, key, secret, network := os.Args[1], os.Args[2], os.Args[3], os.Args[4]
	client := &dns.Client{Net: network, Timeout: time.Minute, TsigSecret: map[string]string{key: secret}}
	send := func(m *dns.Msg) *dns.Msg {
		m.SetTsig(key, dns.HmacSHA256, 300, time.Now().Unix())
		r, _, err := client.Exchange(m, address) // verifies the answer's TSIG
		check(err == nil, "%v", err)
		check(r.IsTsig() != nil, "the answer is not signed")
		return r
	}
	update := func(f func(*dns.Msg)) int {
		m := new(dns.Msg)
		m.SetUpdate("example.test.")
		f(m)
		r := send(m)
		check(r.Opcode == dns.OpcodeUpdate, "opcode %d", r.Opcode)
		return r.Rcode
	}
	ask := func(name string, rrtype uint16) *dns.Msg {
		m := new(dns.Msg)
		m.SetQuestion(name, rrtype)
		m.RecursionDesired = false
		return send(m)
	}
	name := network + ".example.test." // the same update with the same id in the same second would be the first one sent again
	a := rr(name + " 60 IN A 192.0.2.1")
	b := rr(name + " 60 IN A 192.0.2.2")
	check(update(func(m *dns.Msg) { m.NameNotUsed([]dns.RR{a}); m.Insert([]dns.RR{a}) }) == dns.RcodeSuccess, "add")
	r := ask(name, dns.TypeA)
	check(len(r.Answer) == 1 && r.Answer[0].String() == a.String() && r.Authoritative, "after add: %v", r)
	check(update(func(m *dns.Msg) { m.NameNotUsed([]dns.RR{a}); m.Insert([]dns.RR{b}) }) == dns.RcodeYXDomain, "prerequisite")
	check(update(func(m *dns.Msg) { m.Used([]dns.RR{a}); m.RemoveRRset([]dns.RR{a}); m.Insert([]dns.RR{b}) }) == dns.RcodeSuccess, "replace")
	r = ask(name, dns.TypeA)
	check(len(r.Answer) == 1 && r.Answer[0].String() == b.String(), "after replace: %v", r)
	check(update(func(m *dns.Msg) { m.RemoveName([]dns.RR{a}) }) == dns.RcodeSuccess, "delete")
	r = ask(name, dns.TypeA)
	check(r.Rcode == dns.RcodeNameError && len(r.Ns) == 1 && r.Ns[0].Header().Rrtype == dns.TypeSOA, "after delete: %v", r)
	fmt.Println("ok")
}
