// What cert-manager does for a DNS-01 challenge, by its own solver, without a cluster.
//
//	certmanager FILE present|cleanup FQDN ZONE VALUE
//
// FILE has a Secret and an Issuer, as kubectl takes them. Exit 1 with the solver's words.
package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"

	"github.com/cert-manager/cert-manager/pkg/acme/webhook/apis/acme/v1alpha1"
	certmanager "github.com/cert-manager/cert-manager/pkg/apis/certmanager/v1"
	"github.com/cert-manager/cert-manager/pkg/issuer/acme/dns/rfc2136"
	core "k8s.io/api/core/v1"
	extensions "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	listers "k8s.io/client-go/listers/core/v1"
	"k8s.io/client-go/tools/cache"
	"sigs.k8s.io/yaml"
)

func change(path string, cleanup bool, fqdn, zone, value string) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	first, second, _ := bytes.Cut(text, []byte("\n---\n"))
	var secret core.Secret
	var issuer certmanager.Issuer
	if err := yaml.UnmarshalStrict(first, &secret); err != nil {
		return err
	}
	if err := yaml.UnmarshalStrict(second, &issuer); err != nil {
		return err
	}
	// As the API server does: a namespace, and stringData kept as data.
	secret.Namespace, secret.Data = "default", map[string][]byte{}
	for name, data := range secret.StringData {
		secret.Data[name] = []byte(data)
	}
	secrets := cache.NewIndexer(cache.MetaNamespaceKeyFunc, cache.Indexers{})
	if err := secrets.Add(&secret); err != nil {
		return err
	}
	config, err := json.Marshal(issuer.Spec.ACME.Solvers[0].DNS01.RFC2136)
	if err != nil {
		return err
	}
	solver := rfc2136.New(rfc2136.WithSecretsLister(listers.NewSecretLister(secrets)))
	request := &v1alpha1.ChallengeRequest{ResourceNamespace: secret.Namespace, ResolvedFQDN: fqdn, ResolvedZone: zone, Key: value,
		Config: &extensions.JSON{Raw: config}}
	if cleanup {
		return solver.CleanUp(request)
	}
	return solver.Present(request)
}

func main() {
	if len(os.Args) != 6 {
		fmt.Fprintln(os.Stderr, "usage: certmanager FILE present|cleanup FQDN ZONE VALUE")
		os.Exit(2)
	}
	if err := change(os.Args[1], os.Args[2] == "cleanup", os.Args[3], os.Args[4], os.Args[5]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
