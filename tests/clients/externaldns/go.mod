module zonegate/tests/externaldns

go 1.25.0
