// What a cluster wants, for ExternalDNS without a cluster: the other end of its source "connector".
//
//	externaldns FILE
//
// Prints its port; gives each connection the endpoints of FILE, as it is then, in gob: a JSON list of
// {"DNSName":…,"RecordType":…,"Targets":[…]}.
package main

import (
	"encoding/gob"
	"encoding/json"
	"fmt"
	"net"
	"os"
)

// The fields of ExternalDNS's own type that a gob needs; the rest stays empty.
type endpoint struct {
	DNSName    string
	Targets    []string
	RecordType string
	RecordTTL  int64
}

func serve(connection net.Conn, path string) error {
	defer connection.Close()
	var endpoints []*endpoint
	text, err := os.ReadFile(path)
	if err == nil {
		err = json.Unmarshal(text, &endpoints)
	}
	if err == nil {
		err = gob.NewEncoder(connection).Encode(endpoints)
	}
	return err
}

func main() {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	fmt.Println(listener.Addr().(*net.TCPAddr).Port)
	for {
		connection, err := listener.Accept()
		if err == nil {
			err = serve(connection, os.Args[1])
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
	}
}
