package main

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/transparency-dev/merkle/proof"
	"github.com/transparency-dev/merkle/rfc6962"
	"golang.org/x/mod/sumdb/note"
)

const origin = "log.example/audit"

// A log made here from nothing but the format's description: what the checker accepts does not hang on khipu's code.
type forged struct {
	t    *testing.T
	seed string // what a signer's key carries behind its key id
	log  Log
}

func forge(t *testing.T) forged {
	secret, public, err := note.GenerateKey(rand.Reader, origin)
	if err != nil {
		t.Fatal(err)
	}
	log, err := NewLog(public)
	if err != nil {
		t.Fatal(err)
	}
	return forged{t, strings.SplitN(secret, "+", 5)[4], log}
}

// signer is the log's key under the name of one of its trees.
func (f forged) signer(name string) note.Signer {
	verifier, err := f.log.verifier(name)
	if err != nil {
		f.t.Fatal(err)
	}
	signer, err := note.NewSigner(fmt.Sprintf("PRIVATE+KEY+%s+%08x+%s", name, verifier.KeyHash(), f.seed))
	if err != nil {
		f.t.Fatal(err)
	}
	return signer
}

func (f forged) sign(name string, leaves [][]byte) string {
	root, err := rootOf(leaves)
	if err != nil {
		f.t.Fatal(err)
	}
	text := fmt.Sprintf("%s\n%d\n%s\n", name, len(leaves), base64.StdEncoding.EncodeToString(root))
	signed, err := note.Sign(&note.Note{Text: text}, f.signer(name))
	if err != nil {
		f.t.Fatal(err)
	}
	return string(signed)
}

func leavesOf(records [][]byte) (leaves [][]byte) {
	for _, record := range records {
		leaves = append(leaves, rfc6962.DefaultHasher.HashLeaf(record))
	}
	return leaves
}

func nodesOf(t *testing.T, leaves [][]byte, nodes proof.Nodes) (path []string) {
	var found [][]byte
	for _, id := range nodes.IDs {
		begin, end := id.Coverage()
		root, err := rootOf(leaves[begin:min(end, uint64(len(leaves)))])
		if err != nil {
			t.Fatal(err)
		}
		found = append(found, root)
	}
	found, err := nodes.Rehash(found, rfc6962.DefaultHasher.HashChildren)
	if err != nil {
		t.Fatal(err)
	}
	for _, h := range found {
		path = append(path, base64.StdEncoding.EncodeToString(h))
	}
	return path
}

func (f forged) proofOf(name string, records [][]byte, index int) string {
	leaves := leavesOf(records)
	nodes, err := proof.Inclusion(uint64(index), uint64(len(leaves)))
	if err != nil {
		f.t.Fatal(err)
	}
	lines := append([]string{"c2sp.org/tlog-proof@v1", fmt.Sprintf("index %d", index)}, nodesOf(f.t, leaves, nodes)...)
	return strings.Join(lines, "\n") + "\n\n" + f.sign(name, leaves)
}

var uid = append([]byte{0x50}, make([]byte, 16)...)

func event(version byte) []byte { // by registry row `version`, in its first version
	return append(append([]byte{0xa6, 0, 1, 1}, uid...), 2, 1, 3, 1, 4, version, 5, 0x61, 'x')
}
func version(id byte) []byte {
	return append(append([]byte{0xa6, 0, 2, 1}, uid...), 2, 1, 3, 1, 4, 0x61, 'u', 5, 0x61, id)
}

// The second version of the entity of row 0, in row 3; and an event that pins it and, as its target, row 1.
func laterVersion(first byte) []byte {
	return append(append([]byte{0xa9, 0, 2, 1}, uid...), 2, 1, 3, 1, 4, 0x61, 'u', 5, 0x61, 'a', 6, first, 7, 1, 8, first)
}
func eventOfTwo() []byte {
	return append(append([]byte{0xa7, 0, 1, 1}, uid...), 2, 1, 3, 1, 4, 0x82, 0, 3, 5, 0x61, 'x', 8, 0x81, 1)
}
func tableHead(table byte, leaves [][]byte) []byte {
	root, _ := rootOf(leaves)
	head := append(append([]byte{0xa5, 0, 3, 1}, uid...), 2, 1, 4, 4, 5, 0xa3, 0, table, 1, byte(len(leaves)), 2, 0x58, 32)
	return append(head, root...)
}

type everything struct {
	logs, registry, meta [][]byte
}

func (f forged) content() everything {
	all := everything{registry: [][]byte{version('a'), version('b'), version('c')}}
	for i := byte(0); i < 11; i++ {
		all.logs = append(all.logs, event(i%3))
	}
	all.meta = [][]byte{[]byte("genesis"), tableHead(1, leavesOf(all.registry)), tableHead(2, leavesOf(all.logs))}
	return all
}

func (f forged) bundle(all everything) bundleJSON {
	return bundleJSON{
		Format: "khipu-bundle/v1", Seq: 4, Record: all.logs[4], TableProof: f.proofOf(origin+"/logs", all.logs, 4),
		TableHead: all.meta[2], MetaProof: f.proofOf(origin, all.meta, 2),
		Pinned:       []pinnedJSON{{all.registry[1], f.proofOf(origin+"/registry", all.registry, 1)}},
		RegistryHead: all.meta[1], RegistryHeadProof: f.proofOf(origin, all.meta, 1),
	}
}

func (f forged) check(document any) error {
	text, err := json.Marshal(document)
	if err != nil {
		f.t.Fatal(err)
	}
	_, err = f.log.CheckDocument(text)
	return err
}

func TestBundleHoldsAndEveryChangeIsRefused(t *testing.T) {
	f := forge(t)
	all := f.content()
	if err := f.check(f.bundle(all)); err != nil {
		t.Fatal(err)
	}
	changes := map[string]func(*bundleJSON){
		"seq":                    func(b *bundleJSON) { b.Seq = 5 },
		"record":                 func(b *bundleJSON) { b.Record = all.logs[5] },
		"record with its proof":  func(b *bundleJSON) { b.Record, b.TableProof = all.logs[5], f.proofOf(origin+"/logs", all.logs, 5) },
		"proof of a shorter log": func(b *bundleJSON) { b.TableProof = f.proofOf(origin+"/logs", all.logs[:9], 4) },
		"proof of another table": func(b *bundleJSON) { b.TableProof = f.proofOf(origin+"/access", all.logs, 4) },
		"head of another table":  func(b *bundleJSON) { b.TableHead, b.MetaProof = all.meta[1], f.proofOf(origin, all.meta, 1) },
		"head not in meta":       func(b *bundleJSON) { b.TableHead = tableHead(2, leavesOf(all.logs[:4])) },
		"nothing pinned":         func(b *bundleJSON) { b.Pinned = nil },
		"another pinned": func(b *bundleJSON) {
			b.Pinned = []pinnedJSON{{all.registry[2], f.proofOf(origin+"/registry", all.registry, 2)}}
		},
		"one pinned too many": func(b *bundleJSON) {
			b.Pinned = append(b.Pinned, pinnedJSON{all.registry[2], f.proofOf(origin+"/registry", all.registry, 2)})
		},
		"no registry head":    func(b *bundleJSON) { b.RegistryHead = nil },
		"meta seen elsewhere": func(b *bundleJSON) { b.RegistryHeadProof = f.proofOf(origin, all.meta[:2], 1) },
		"format":              func(b *bundleJSON) { b.Format = "khipu-bundle/v2" },
		"another signer":      func(b *bundleJSON) { b.TableProof = forge(t).proofOf(origin+"/logs", all.logs, 4) },
	}
	for name, change := range changes {
		bundle := f.bundle(all)
		change(&bundle)
		if f.check(bundle) == nil {
			t.Errorf("accepted: %s", name)
		}
	}
	text, _ := json.Marshal(f.bundle(all))
	if _, err := f.log.CheckDocument(append(bytes.Clone(text[:len(text)-1]), `,"more":1}`...)); err == nil {
		t.Error("accepted: a member that does not belong there")
	}
	for _, more := range []string{`,"seq":5}`, `,"SEQ":5}`} {
		if _, err := f.log.CheckDocument(append(bytes.Clone(text[:len(text)-1]), more...)); err == nil || !strings.Contains(err.Error(), "twice") {
			t.Errorf("not refused for what it is: %s: %v", more, err)
		}
	}
	proven := bytes.Replace(text, []byte(`"proof":`), []byte(`"proof":"","proof":`), 1)
	if _, err := f.log.CheckDocument(proven); err == nil || !strings.Contains(err.Error(), "twice") {
		t.Errorf("accepted: a member of a pinned version twice: %v", err)
	}
	broken := bytes.Replace(text, []byte(`"record":"`), []byte(`"record":"\n`), 1)
	if _, err := f.log.CheckDocument(broken); err == nil || !strings.Contains(err.Error(), "line break") {
		t.Errorf("accepted: a line break in base64: %v", err)
	}
}

// A log with one event of two pins; `later` is what stands in row 3 of the registry.
func (f forged) bundleOfTwo(later []byte) (bundleJSON, everything) {
	all := everything{registry: [][]byte{version('a'), version('b'), version('c'), later}, logs: [][]byte{eventOfTwo()}}
	all.meta = [][]byte{tableHead(1, leavesOf(all.registry)), tableHead(2, leavesOf(all.logs)), tableHead(1, leavesOf(all.registry[:3]))}
	b := bundleJSON{
		Format: "khipu-bundle/v1", Record: all.logs[0], TableProof: f.proofOf(origin+"/logs", all.logs, 0),
		TableHead: all.meta[1], MetaProof: f.proofOf(origin, all.meta, 1),
		RegistryHead: all.meta[0], RegistryHeadProof: f.proofOf(origin, all.meta, 0),
	}
	for _, row := range []int{1, 3} {
		b.Pinned = append(b.Pinned, pinnedJSON{all.registry[row], f.proofOf(origin+"/registry", all.registry, row)})
	}
	return b, all
}

func TestPinnedVersionsAreTheOnesTheEventNames(t *testing.T) {
	f := forge(t)
	right, all := f.bundleOfTwo(laterVersion(0))
	if err := f.check(right); err != nil {
		t.Fatal(err)
	}
	mixed := right
	mixed.Pinned = []pinnedJSON{{all.registry[1], f.proofOf(origin+"/registry", all.registry[:3], 1)}, right.Pinned[1]}
	if f.check(mixed) == nil {
		t.Error("accepted: pinned versions out of two states of the registry")
	}
	twice := right
	twice.Pinned = append(twice.Pinned[:2:2], twice.Pinned[0])
	if f.check(twice) == nil {
		t.Error("accepted: a pinned version twice")
	}
	backwards := right
	backwards.Pinned = []pinnedJSON{right.Pinned[1], right.Pinned[0]}
	if f.check(backwards) == nil {
		t.Error("accepted: pinned versions out of their rows' order")
	}
	other, _ := f.bundleOfTwo(laterVersion(2))
	if f.check(other) == nil {
		t.Error("accepted: a version of another entity")
	}
	unbound := right
	unbound.RegistryHead, unbound.RegistryHeadProof = all.meta[2], f.proofOf(origin, all.meta, 2)
	if f.check(unbound) == nil {
		t.Error("accepted: a registry head of another size")
	}
}

func compactRange(leaves [][]byte, begin, end uint64) (list []string) {
	for begin < end {
		size := uint64(1)
		for begin%(2*size) == 0 && begin+2*size <= end {
			size *= 2
		}
		root, _ := rootOf(leaves[begin : begin+size])
		list = append(list, base64.StdEncoding.EncodeToString(root))
		begin += size
	}
	return list
}

func TestRangeIsCompleteAndInOrder(t *testing.T) {
	f := forge(t)
	all := f.content()
	leaves := leavesOf(all.logs)
	rows := func(records [][]byte) rangeJSON {
		var listed []octets
		for _, record := range records {
			listed = append(listed, record)
		}
		return rangeJSON{
			Format: "khipu-range/v1", From: 3, Records: listed, Left: compactRange(leaves, 0, 3),
			Right: compactRange(leaves, 8, 11), Checkpoint: f.sign(origin+"/logs", leaves),
			TableHead: all.meta[2], MetaProof: f.proofOf(origin, all.meta, 2),
		}
	}
	right := all.logs[3:8]
	if err := f.check(rows(right)); err != nil {
		t.Fatal(err)
	}
	swapped := append([][]byte{right[1], right[0]}, right[2:]...)
	for name, wrong := range map[string][][]byte{"left out": right[1:], "one more": all.logs[3:9], "swapped": swapped, "none": nil} {
		if f.check(rows(wrong)) == nil {
			t.Errorf("accepted: %s", name)
		}
	}
}

func TestConsistency(t *testing.T) {
	f := forge(t)
	leaves := leavesOf(f.content().logs)
	nodes, err := proof.Consistency(5, 11)
	if err != nil {
		t.Fatal(err)
	}
	both := consistencyJSON{"khipu-consistency/v1", f.sign(origin+"/logs", leaves[:5]), f.sign(origin+"/logs", leaves), nodesOf(t, leaves, nodes)}
	if err := f.check(both); err != nil {
		t.Fatal(err)
	}
	rewritten := both
	rewritten.OldCheckpoint = f.sign(origin+"/logs", leaves[1:6])
	if f.check(rewritten) == nil {
		t.Error("accepted: a past that was another")
	}
	rewritten = both
	rewritten.NewCheckpoint = f.sign(origin+"/registry", leaves)
	if f.check(rewritten) == nil {
		t.Error("accepted: two tables")
	}
}

func TestExportHoldsAndEveryFlippedByteIsRefused(t *testing.T) {
	f := forge(t)
	leaves := make([][]byte, 600)
	files := fstest.MapFS{}
	put := func(path string, hashes [][]byte) {
		var tile []byte
		for _, h := range hashes {
			tile = append(tile, h...)
		}
		files[path] = &fstest.MapFile{Data: tile}
	}
	for i := range leaves {
		leaves[i] = rfc6962.DefaultHasher.HashLeaf(fmt.Appendf(nil, "%d", i))
	}
	first, _ := rootOf(leaves[:256])
	second, _ := rootOf(leaves[256:512])
	put("tile/0/000", leaves[:256])
	put("tile/0/001", leaves[256:512])
	put("tile/0/002.p/88", leaves[512:])
	put("tile/1/000.p/2", [][]byte{first, second})
	files["checkpoint"] = &fstest.MapFile{Data: []byte(f.sign(origin+"/logs", leaves))}
	if _, err := f.log.CheckExport(files); err != nil {
		t.Fatal(err)
	}
	for path, file := range files {
		for i := range file.Data {
			if path != "checkpoint" && i%32 != 7 {
				continue // one byte of every hash will do
			}
			if path == "checkpoint" && i == len(file.Data)-3 {
				continue // base64 has bits to spare here, which note.Open does not look at: the same signature
			}
			file.Data[i] ^= 1
			if _, err := f.log.CheckExport(files); err == nil {
				t.Fatalf("accepted: byte %d of %s", i, path)
			}
			file.Data[i] ^= 1
		}
		delete(files, path)
		if _, err := f.log.CheckExport(files); err == nil {
			t.Errorf("accepted without %s", path)
		}
		files[path] = file
	}
}

func TestTilePaths(t *testing.T) {
	for want, got := range map[string]string{
		"tile/0/000":                 tilePath("0", 0, 256),
		"tile/0/x001/x234/067.p/112": tilePath("0", 1234067, 112),
		"tile/entries/x001/000":      tilePath("entries", 1000, 256),
	} {
		if got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}
