package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/transparency-dev/merkle/compact"
	"github.com/transparency-dev/merkle/proof"
	"github.com/transparency-dev/merkle/rfc6962"
	"golang.org/x/mod/sumdb/note"
)

// A Log is known by its verifier key. The key's name is the origin of meta's checkpoints; the checkpoints of its other
// trees are signed with the same key under their own origins (ORIGIN/logs ...), as a C2SP signed note wants it.
type Log struct {
	origin string
	key    []byte // what a vkey carries behind its key id: the type byte and the public key
}

// NewLog reads the log's verifier key.
func NewLog(vkey string) (Log, error) {
	if _, err := note.NewVerifier(vkey); err != nil {
		return Log{}, err
	}
	parts := strings.SplitN(vkey, "+", 3) // the name of a vkey has no plus sign
	key, err := base64.StdEncoding.DecodeString(parts[2])
	return Log{parts[0], key}, err
}

// verifier is the log's key under the name of one of its trees.
func (l Log) verifier(name string) (note.Verifier, error) {
	id := sha256.Sum256(append([]byte(name+"\n"), l.key...))
	return note.NewVerifier(fmt.Sprintf("%s+%08x+%s", name, id[:4], base64.StdEncoding.EncodeToString(l.key)))
}

type checkpoint struct {
	origin string
	size   uint64
	root   []byte
}

func (c checkpoint) equal(other checkpoint) bool {
	return c.origin == other.origin && c.size == other.size && bytes.Equal(c.root, other.root)
}

// decimal refuses what has a second spelling.
func decimal(s string) (uint64, error) {
	n, err := strconv.ParseUint(s, 10, 63)
	if err != nil || strconv.FormatUint(n, 10) != s {
		return 0, fmt.Errorf("not a plain number below 2^63")
	}
	return n, nil
}

// octets are base64 with no line breaks, which Go's decoder skips, and no bits left over.
type octets []byte

func (o *octets) UnmarshalJSON(text []byte) error {
	var s string
	if err := json.Unmarshal(text, &s); err != nil {
		return err
	}
	decoded, err := unbase64(s)
	*o = decoded
	return err
}

func unbase64(s string) ([]byte, error) {
	if strings.ContainsAny(s, "\r\n") {
		return nil, errors.New("a line break in base64")
	}
	return base64.StdEncoding.Strict().DecodeString(s)
}

func hash(s string) ([]byte, error) {
	h, err := unbase64(s)
	if err != nil || len(h) != rfc6962.DefaultHasher.Size() {
		return nil, errors.New("not the base64 of 32 bytes")
	}
	return h, nil
}

// open checks the signature of a checkpoint of this origin.
func (l Log) open(signed, origin string) (checkpoint, error) {
	verifier, err := l.verifier(origin)
	if err != nil {
		return checkpoint{}, err
	}
	opened, err := note.Open([]byte(signed), note.VerifierList(verifier))
	if err != nil {
		return checkpoint{}, err
	}
	lines := strings.Split(opened.Text, "\n")
	if len(lines) < 4 || lines[0] != origin {
		return checkpoint{}, fmt.Errorf("the checkpoint is not one of %q", origin)
	}
	size, err := decimal(lines[1])
	if err != nil {
		return checkpoint{}, fmt.Errorf("size: %w", err)
	}
	root, err := hash(lines[2])
	return checkpoint{lines[0], size, root}, err
}

// place walks from a record to a checkpoint of this origin (c2sp.org/tlog-proof@v1) and says where it is.
func (l Log) place(record []byte, proofText, origin string) (uint64, checkpoint, error) {
	none := checkpoint{}
	rest, ok := strings.CutPrefix(proofText, "c2sp.org/tlog-proof@v1\n")
	if !ok {
		return 0, none, errors.New("not a c2sp.org/tlog-proof@v1")
	}
	head, signed, ok := strings.Cut(rest, "\n\n")
	if !ok {
		return 0, none, errors.New("the proof has no checkpoint")
	}
	lines := strings.Split(head, "\n")
	if strings.HasPrefix(lines[0], "extra ") {
		lines = lines[1:]
	}
	if len(lines) == 0 || !strings.HasPrefix(lines[0], "index ") {
		return 0, none, errors.New("the proof has no index")
	}
	index, err := decimal(strings.TrimPrefix(lines[0], "index "))
	if err != nil {
		return 0, none, fmt.Errorf("index: %w", err)
	}
	path, err := hashes(lines[1:])
	if err != nil {
		return 0, none, err
	}
	found, err := l.open(signed, origin)
	if err != nil {
		return 0, none, err
	}
	hasher := rfc6962.DefaultHasher
	return index, found, proof.VerifyInclusion(hasher, index, found.size, hasher.HashLeaf(record), path, found.root)
}

func hashes(lines []string) ([][]byte, error) {
	all := [][]byte{}
	for _, line := range lines {
		h, err := hash(line)
		if err != nil {
			return nil, err
		}
		all = append(all, h)
	}
	return all, nil
}

// bind checks that a TABLE_HEAD row of meta names exactly this checkpoint of the table (its number in the format).
func (l Log) bind(record []byte, metaProof string, table uint64, named checkpoint) (checkpoint, error) {
	_, meta, err := l.place(record, metaProof, l.origin)
	if err != nil {
		return meta, err
	}
	statement, err := decode(record)
	if err != nil {
		return meta, err
	}
	kind, _ := statement.number(0)
	number, _ := statement.number(4)
	head, ok := statement[uint64(5)].(object)
	if kind != 3 || number != 4 || !ok {
		return meta, errors.New("the record is not a TABLE_HEAD")
	}
	said, _ := head.number(0)
	size, sizeErr := head.number(1)
	root, _ := head[uint64(2)].([]byte)
	if sizeErr != nil || said != table || size != named.size || !bytes.Equal(root, named.root) {
		return meta, errors.New("it names another table, size or root than the checkpoint")
	}
	return meta, nil
}

const tableRegistry, tableLogs = 1, 2

type pinnedJSON struct {
	Record octets `json:"record"`
	Proof  string `json:"proof"`
}
type bundleJSON struct {
	Format            string       `json:"format"`
	Seq               uint64       `json:"seq"`
	Record            octets       `json:"record"`
	TableProof        string       `json:"table_proof"`
	TableHead         octets       `json:"table_head"`
	MetaProof         string       `json:"meta_proof"`
	Pinned            []pinnedJSON `json:"pinned"`
	RegistryHead      octets       `json:"registry_head"`
	RegistryHeadProof string       `json:"registry_head_proof"`
}
type rangeJSON struct {
	Format     string   `json:"format"`
	From       uint64   `json:"from"`
	Records    []octets `json:"records"`
	Left       []string `json:"left"`
	Right      []string `json:"right"`
	Checkpoint string   `json:"checkpoint"`
	TableHead  octets   `json:"table_head"`
	MetaProof  string   `json:"meta_proof"`
}
type consistencyJSON struct {
	Format        string   `json:"format"`
	OldCheckpoint string   `json:"old_checkpoint"`
	NewCheckpoint string   `json:"new_checkpoint"`
	Path          []string `json:"path"`
}

// strict reads one JSON document with no members but these.
func strict(document []byte, into any) error {
	decoder := json.NewDecoder(bytes.NewReader(document))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(into); err != nil {
		return err
	}
	if _, err := decoder.Token(); err != io.EOF {
		return errors.New("something follows the document")
	}
	return nil
}

// unambiguous refuses what encoding/json would not: a member that is there twice, of which it takes the last, and a name in
// other letters than ours, which it takes for ours. Other readers see another document.
func unambiguous(document []byte) error {
	decoder := json.NewDecoder(bytes.NewReader(document))
	var open []map[string]bool // the objects and arrays around a token; nil for an array
	isName := false            // the next token is a member's name
	for {
		token, err := decoder.Token()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		delimiter, _ := token.(json.Delim)
		switch {
		case delimiter == '{':
			open = append(open, map[string]bool{})
		case delimiter == '[':
			open = append(open, nil)
		case delimiter != 0:
			open = open[:len(open)-1]
		case isName:
			name := token.(string)
			if members := open[len(open)-1]; members[name] || name != strings.ToLower(name) {
				return fmt.Errorf("member %q is there twice, or not in our letters", name)
			}
			open[len(open)-1][name] = true
			isName = false
			continue
		}
		isName = len(open) > 0 && open[len(open)-1] != nil
	}
}

// CheckDocument says what a document proves, or why it does not.
func (l Log) CheckDocument(document []byte) ([]string, error) {
	if err := unambiguous(document); err != nil {
		return nil, err
	}
	var named struct {
		Format string `json:"format"`
	}
	if err := json.Unmarshal(document, &named); err != nil {
		return nil, err
	}
	switch named.Format {
	case "khipu-bundle/v1":
		var bundle bundleJSON
		if err := strict(document, &bundle); err != nil {
			return nil, err
		}
		return l.checkBundle(bundle)
	case "khipu-range/v1":
		var rows rangeJSON
		if err := strict(document, &rows); err != nil {
			return nil, err
		}
		return l.checkRange(rows)
	case "khipu-consistency/v1":
		var both consistencyJSON
		if err := strict(document, &both); err != nil {
			return nil, err
		}
		return l.checkConsistency(both)
	}
	return nil, fmt.Errorf("unknown format %q", named.Format)
}

func (l Log) checkBundle(b bundleJSON) ([]string, error) {
	origin := l.origin
	index, logs, err := l.place(b.Record, b.TableProof, origin+"/logs")
	if err != nil {
		return nil, fmt.Errorf("table_proof: %w", err)
	}
	if index != b.Seq {
		return nil, errors.New("table_proof: of another row than seq")
	}
	event, err := decode(b.Record)
	if err != nil {
		return nil, fmt.Errorf("record: %w", err)
	}
	if kind, err := event.number(0); err != nil || kind != 1 {
		return nil, errors.New("record: not an event")
	}
	meta, err := l.bind(b.TableHead, b.MetaProof, tableLogs, logs)
	if err != nil {
		return nil, fmt.Errorf("table_head: %w", err)
	}
	named, err := pins(event)
	if err != nil {
		return nil, fmt.Errorf("record: %w", err)
	}
	versions := map[uint64]object{} // by registry row, proven
	var registry checkpoint
	next := uint64(0) // versions come in the order of their rows
	for i, pinned := range b.Pinned {
		row, at, err := l.place(pinned.Record, pinned.Proof, origin+"/registry")
		if err != nil {
			return nil, fmt.Errorf("pinned[%d]: %w", i, err)
		}
		if i > 0 && !at.equal(registry) {
			return nil, fmt.Errorf("pinned[%d]: against another checkpoint", i)
		}
		registry = at
		version, err := decode(pinned.Record)
		if err != nil {
			return nil, fmt.Errorf("pinned[%d]: %w", i, err)
		}
		if kind, err := version.number(0); err != nil || kind != 2 {
			return nil, fmt.Errorf("pinned[%d]: not a version", i)
		}
		if row < next {
			return nil, fmt.Errorf("pinned[%d]: out of order, or twice", i)
		}
		next = row + 1
		versions[row] = version
	}
	used := map[uint64]bool{}
	for _, p := range named {
		version, ok := versions[p.version]
		if !ok {
			return nil, errors.New("pinned: a version that the event names is missing")
		}
		entity := p.version
		if first, ok := version[uint64(6)].(uint64); ok {
			entity = first
		}
		if entity != p.entity {
			return nil, errors.New("pinned: a version of another entity than the event names")
		}
		used[p.version] = true
	}
	if len(used) != len(versions) {
		return nil, errors.New("pinned: a version that the event does not name")
	}
	at, err := l.bind(b.RegistryHead, b.RegistryHeadProof, tableRegistry, registry)
	if err != nil {
		return nil, fmt.Errorf("registry_head: %w", err)
	}
	if !at.equal(meta) {
		return nil, errors.New("registry_head: against another checkpoint than table_head")
	}
	ref := func(p pin) string { return versions[p.version].text(4) + ":" + versions[p.version].text(5) }
	said := []string{
		fmt.Sprintf("log: %q", origin),
		fmt.Sprintf("seq: %d of %d events", b.Seq, logs.size),
		fmt.Sprintf("actor: %q", ref(named[0])),
		fmt.Sprintf("action: %q", event.text(5)),
	}
	if micros, ok := event[uint64(3)].(uint64); ok {
		said = append(said, "occurred_at: "+time.UnixMicro(int64(micros)).UTC().Format("2006-01-02T15:04:05.000000Z"))
	}
	for _, target := range named[1:] {
		said = append(said, fmt.Sprintf("names: %q", ref(target)))
	}
	return said, nil
}

func (l Log) checkRange(r rangeJSON) ([]string, error) {
	logs, err := l.open(r.Checkpoint, l.origin+"/logs")
	if err != nil {
		return nil, err
	}
	left, err := hashes(r.Left)
	if err != nil {
		return nil, err
	}
	right, err := hashes(r.Right)
	if err != nil {
		return nil, err
	}
	count := uint64(len(r.Records))
	if count == 0 || r.From > logs.size || count > logs.size-r.From {
		return nil, errors.New("these rows are not in the checkpoint")
	}
	hasher := rfc6962.DefaultHasher
	factory := compact.RangeFactory{Hash: hasher.HashChildren}
	all, err := factory.NewRange(0, r.From, left)
	if err != nil {
		return nil, err
	}
	for _, record := range r.Records {
		if err := all.Append(hasher.HashLeaf(record), nil); err != nil {
			return nil, err
		}
	}
	behind, err := factory.NewRange(r.From+count, logs.size, right)
	if err != nil {
		return nil, err
	}
	if err := all.AppendRange(behind, nil); err != nil {
		return nil, err
	}
	root, err := all.GetRootHash(nil)
	if err != nil {
		return nil, err
	}
	if !bytes.Equal(root, logs.root) {
		return nil, errors.New("the records and the hashes around them do not make the signed root")
	}
	if _, err := l.bind(r.TableHead, r.MetaProof, tableLogs, logs); err != nil {
		return nil, fmt.Errorf("table_head: %w", err)
	}
	return []string{fmt.Sprintf("rows: %d to %d of %d, complete and in order", r.From, r.From+count-1, logs.size)}, nil
}

func (l Log) checkConsistency(c consistencyJSON) ([]string, error) {
	origin, _, _ := strings.Cut(c.OldCheckpoint, "\n")
	if name := l.origin; origin != name && !strings.HasPrefix(origin, name+"/") {
		return nil, errors.New("the checkpoints are another log's")
	}
	old, err := l.open(c.OldCheckpoint, origin)
	if err != nil {
		return nil, err
	}
	now, err := l.open(c.NewCheckpoint, origin)
	if err != nil {
		return nil, err
	}
	path, err := hashes(c.Path)
	if err != nil {
		return nil, err
	}
	if err := proof.VerifyConsistency(rfc6962.DefaultHasher, old.size, now.size, path, old.root, now.root); err != nil {
		return nil, err
	}
	return []string{fmt.Sprintf("log: %q", origin), fmt.Sprintf("size %d extends size %d", now.size, old.size)}, nil
}
