package main

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand"
	"net"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/miekg/dns"
)

const (
	zone       = "example.test."
	queryAfter = 4 * time.Second // less than what a query would wait for brokers that start
	probeEvery = 50 * time.Millisecond
)

type runner struct {
	gateways    []string
	key, secret string
	names       int
	patience    time.Duration
	left        atomic.Int64
	pace        <-chan time.Time
	stop        chan struct{}
	mutex       sync.Mutex
	out         *json.Encoder
}

func run(arguments []string) error {
	flags := flag.NewFlagSet("run", flag.ExitOnError)
	gateways := flags.String("gateways", "", "")
	key, secret := flags.String("key", "dhcp.", ""), flags.String("secret", "", "")
	names, updates, clients := flags.Int("names", 200, ""), flags.Int("updates", 20000, ""), flags.Int("clients", 24, "")
	patience := flags.Duration("patience", 3*time.Second, "with an update: more than the gateway's update-timeout")
	rate, path, seed := flags.Int("rate", 0, "updates a second"), flags.String("out", "", ""), flags.Int64("seed", 1, "")
	flags.Parse(arguments)
	file, err := os.Create(*path)
	if err != nil {
		return err
	}
	buffer := bufio.NewWriter(file)
	r := &runner{gateways: strings.Split(*gateways, ","), key: *key, secret: *secret, names: *names, patience: *patience, stop: make(chan struct{}),
		out: json.NewEncoder(buffer)}
	r.left.Store(int64(*updates))
	if *rate > 0 {
		r.pace = time.Tick(time.Second / time.Duration(*rate))
	}
	// Two clients that want the same in the same second would send the same message, were their ids the same by chance.
	var ids atomic.Uint32
	dns.Id = func() uint16 { return uint16(ids.Add(1)) }
	interrupt := make(chan os.Signal, 1)
	signal.Notify(interrupt, syscall.SIGINT)
	go func() { <-interrupt; r.left.Store(0) }()
	var probes, work sync.WaitGroup
	for i := range r.gateways {
		probes.Go(func() { r.probe(i) })
	}
	for i := range *clients {
		work.Go(func() { r.client(i, rand.New(rand.NewSource(*seed+int64(i)))) })
	}
	work.Wait()
	close(r.stop)
	probes.Wait()
	return errors.Join(buffer.Flush(), file.Close())
}

func (r *runner) note(e event) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	if err := r.out.Encode(e); err != nil {
		panic(err)
	}
}

// Queries go on, whatever happens to the store.
func (r *runner) probe(gateway int) {
	for {
		select {
		case <-r.stop:
			return
		case <-time.After(probeEvery):
			e := event{Client: -1, Name: "@", Kind: "probe", Gateway: gateway, Begin: now()}
			m := new(dns.Msg).SetQuestion(zone, dns.TypeSOA)
			answer, result := r.exchange("udp", gateway, m, nil, queryAfter)
			if e.End, e.Result = now(), result; result == "NOERROR" && (!answer.Authoritative || len(answer.Answer) != 1) {
				e.Result = "empty"
			}
			r.note(e)
		}
	}
}

func (r *runner) client(number int, random *rand.Rand) {
	for i := 0; r.left.Add(-1) >= 0; i++ {
		if r.pace != nil {
			<-r.pace
		}
		n := random.Intn(r.names)
		if random.Intn(10) == 0 { // some names are hot
			n = random.Intn(1 + r.names/40)
		}
		e := r.query(number, n, random.Intn(len(r.gateways)))
		if e.Result != "NOERROR" && e.Result != "NXDOMAIN" {
			continue
		}
		r.update(r.choose(e, fmt.Sprintf("v%d-%d", number, i), random), random)
	}
}

func (r *runner) query(client, n, gateway int) event {
	e := event{Client: client, Name: name(n), Kind: "query", Gateway: gateway, Begin: now()}
	m := new(dns.Msg).SetQuestion(e.Name+"."+zone, dns.TypeTXT)
	answer, result := r.exchange("udp", gateway, m, nil, queryAfter)
	e.End, e.Result = now(), result
	if answer != nil {
		for _, rr := range answer.Answer {
			if txt, is := rr.(*dns.TXT); is {
				e.Value += strings.Join(txt.Txt, "")
			}
		}
	}
	r.note(e)
	return e
}

func name(n int) string {
	if n%3 == 0 {
		return fmt.Sprintf("c%d", n)
	}
	return fmt.Sprintf("r%d", n)
}

// What to do, given what was seen.
func (r *runner) choose(seen event, fresh string, random *rand.Rand) event {
	e := event{Client: seen.Client, Name: seen.Name, Kind: "replace", Expect: seen.Value, Value: fresh}
	chance := random.Intn(100)
	if seen.Name[0] == 'c' {
		n, _ := strconv.Atoi(seen.Value)
		e.Value = strconv.Itoa(n + 1)
		if seen.Value == "" {
			e.Kind = "add"
		} else if chance < 5 {
			e.Kind, e.Value = "is", ""
		}
		return e
	}
	switch {
	case seen.Value == "" || chance < 5:
		e.Kind, e.Expect = "add", ""
	case chance < 15:
		e.Kind, e.Value = "delete", ""
	case chance < 20:
		e.Kind, e.Value = "is", ""
	case chance < 30:
		e.Kind, e.Expect = "set", ""
	}
	return e
}

func txt(e event, value string) []dns.RR {
	return []dns.RR{&dns.TXT{Hdr: dns.RR_Header{Name: e.Name + "." + zone, Rrtype: dns.TypeTXT, Class: dns.ClassINET, Ttl: 60}, Txt: []string{value}}}
}

func message(e event) *dns.Msg {
	m := new(dns.Msg).SetUpdate(zone)
	switch e.Kind {
	case "add":
		m.NameNotUsed(txt(e, ""))
	case "replace", "delete", "is":
		m.Used(txt(e, e.Expect))
	}
	if e.Kind == "replace" || e.Kind == "delete" || e.Kind == "set" {
		m.RemoveRRset(txt(e, ""))
	}
	if e.Value != "" {
		rrs := txt(e, e.Value)
		rrs[0].Header().Class = dns.ClassINET
		m.Insert(rrs)
	}
	return m
}

// One update; where nobody answers, the same bytes go to another gateway, as a client's library does it.
func (r *runner) update(e event, random *rand.Rand) {
	m := message(e)
	m.SetTsig(r.key, dns.HmacSHA256, 300, time.Now().Unix())
	bytes, mac, err := dns.TsigGenerate(m, r.secret, "", false)
	if err != nil {
		panic(err)
	}
	network := [...]string{"udp", "tcp"}[random.Intn(2)]
	e.Begin, e.Result = now(), "unsent"
	for range 3 {
		e.Gateway = random.Intn(len(r.gateways))
		answer, result := r.exchange(network, e.Gateway, m, bytes, r.patience)
		if result != "unsent" {
			e.Tries, e.Result = e.Tries+1, result
		}
		if answer != nil && answer.IsTsig() == nil {
			e.Result = "not signed " + mac
		}
		if answer != nil || result == "none" && random.Intn(2) == 0 {
			break
		}
	}
	e.End = now()
	r.note(e)
	if e.Result == "unsent" {
		time.Sleep(100 * time.Millisecond)
	}
}

// The answer (or nil) and its rcode, "none" or "unsent".
func (r *runner) exchange(network string, gateway int, m *dns.Msg, bytes []byte, after time.Duration) (*dns.Msg, string) {
	if bytes == nil {
		bytes, _ = m.Pack()
	}
	conn, err := net.DialTimeout(network, r.gateways[gateway], after)
	if err != nil {
		return nil, "unsent"
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(after))
	answer, err := talk(conn, network == "tcp", bytes)
	for err == nil && answer.Id != m.Id {
		answer, err = talk(conn, network == "tcp", nil)
	}
	if errors.Is(err, syscall.ECONNREFUSED) { // an ICMP message: nobody has read it
		return nil, "unsent"
	}
	if err != nil {
		return nil, "none"
	}
	return answer, dns.RcodeToString[answer.Rcode]
}

func talk(conn net.Conn, stream bool, bytes []byte) (*dns.Msg, error) {
	var err error
	buffer := make([]byte, 65535)
	if stream {
		if bytes != nil {
			_, err = conn.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(bytes))), bytes...))
		}
		if err == nil {
			_, err = io.ReadFull(conn, buffer[:2])
		}
		if err != nil {
			return nil, err
		}
		buffer = buffer[:binary.BigEndian.Uint16(buffer)]
		_, err = io.ReadFull(conn, buffer)
	} else {
		if bytes != nil {
			_, err = conn.Write(bytes)
		}
		n := 0
		if err == nil {
			n, err = conn.Read(buffer)
		}
		buffer = buffer[:n]
	}
	if err != nil {
		return nil, err
	}
	m := new(dns.Msg)
	return m, m.Unpack(buffer)
}
