// verify_proof checks what khipu hands out, without khipu: proof documents and exported logs.
//
//	verify_proof -key VKEY document.json     a bundle, range or consistency document of `khipu prove`
//	verify_proof -key VKEY -tlog DIR         what `khipu export-tlog` wrote
//
// VKEY is the log's verifier key (or a file that holds it); its name is the log's origin. Signatures are checked by
// golang.org/x/mod/sumdb/note, paths by github.com/transparency-dev/merkle; the records' CBOR by cbor.go.
// Exit codes: 0 it holds, 1 it does not, 3 usage or I/O.
package main

import (
	"flag"
	"fmt"
	"os"
	"strings"
)

func usage(err error) {
	fmt.Fprintf(os.Stderr, "verify_proof: %v\n", err)
	os.Exit(3)
}

func main() {
	key := flag.String("key", "", "verifier key of the log, or a file that holds it")
	tlog := flag.String("tlog", "", "folder of an exported log, in place of a document")
	flag.Parse()
	if *key == "" || (*tlog == "") != (flag.NArg() == 1) || flag.NArg() > 1 {
		usage(fmt.Errorf("expected -key VKEY and a document, or -key VKEY -tlog DIR"))
	}
	vkey := *key
	if !strings.Contains(vkey, "+") {
		text, err := os.ReadFile(vkey)
		if err != nil {
			usage(err)
		}
		vkey = string(text)
	}
	log, err := NewLog(strings.TrimSpace(vkey))
	if err != nil {
		usage(fmt.Errorf("the key: %v", err))
	}

	var said []string
	if *tlog != "" {
		said, err = log.CheckExport(os.DirFS(*tlog))
	} else {
		document, readErr := os.ReadFile(flag.Arg(0))
		if readErr != nil {
			usage(readErr)
		}
		said, err = log.CheckDocument(document)
	}
	if err != nil {
		fmt.Printf("verdict: fail\nwhy: %q\n", err.Error())
		os.Exit(1)
	}
	fmt.Println("verdict: pass")
	for _, line := range said {
		fmt.Println(line)
	}
}
