module zonegate/tests/histories

go 1.25.0

require (
	github.com/anishathalye/porcupine v1.3.1
	github.com/miekg/dns v1.1.73
	golang.org/x/sys v0.47.0
)

require golang.org/x/net v0.57.0 // indirect
