package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/transparency-dev/merkle/compact"
	"github.com/transparency-dev/merkle/rfc6962"
)

const tileWidth = 256

// tilePath is the path of a tile (c2sp.org/tlog-tiles); level is a number or "entries".
func tilePath(level string, index, width uint64) string {
	path := fmt.Sprintf("%03d", index%1000)
	for index /= 1000; index > 0; index /= 1000 {
		path = fmt.Sprintf("x%03d/%s", index%1000, path)
	}
	path = "tile/" + level + "/" + path
	if width < tileWidth {
		path += fmt.Sprintf(".p/%d", width)
	}
	return path
}

// CheckExport reads an exported log from its leaves up: the leaves make the signed root, every tile of the levels above
// holds what those below it make, and entries, where there are any, are the leaves' records.
func (l Log) CheckExport(files fs.FS) ([]string, error) {
	signed, err := fs.ReadFile(files, "checkpoint")
	if err != nil {
		return nil, err
	}
	origin, _, _ := strings.Cut(string(signed), "\n")
	if name := l.origin; origin != name && !strings.HasPrefix(origin, name+"/") {
		return nil, errors.New("the checkpoint is another log's")
	}
	head, err := l.open(string(signed), origin)
	if err != nil {
		return nil, err
	}
	hasher := rfc6962.DefaultHasher
	root := hasher.EmptyRoot()
	below := head.size // hashes on this level
	var level [][]byte
	for number := 0; below > 0; number++ {
		found, err := readLevel(files, number, below)
		if err != nil {
			return nil, err
		}
		if number == 0 {
			if root, err = rootOf(found); err != nil {
				return nil, err
			}
		}
		for i := range found {
			if number > 0 {
				made, err := rootOf(level[i*tileWidth : (i+1)*tileWidth])
				if err != nil {
					return nil, err
				}
				if !bytes.Equal(made, found[i]) {
					return nil, fmt.Errorf("level %d, hash %d is not what the tile below makes", number, i)
				}
			}
		}
		level, below = found, below/tileWidth
		if number == 0 {
			if err := checkEntries(files, found); err != nil {
				return nil, err
			}
		}
	}
	if !bytes.Equal(root, head.root) {
		return nil, errors.New("the leaves do not make the signed root")
	}
	return []string{fmt.Sprintf("log: %q", origin), fmt.Sprintf("tree_size: %d", head.size)}, nil
}

func rootOf(leaves [][]byte) ([]byte, error) {
	factory := compact.RangeFactory{Hash: rfc6962.DefaultHasher.HashChildren}
	all := factory.NewEmptyRange(0)
	for _, leaf := range leaves {
		if err := all.Append(leaf, nil); err != nil {
			return nil, err
		}
	}
	return all.GetRootHash(nil)
}

func readLevel(files fs.FS, number int, count uint64) ([][]byte, error) {
	var all [][]byte
	for index := uint64(0); index*tileWidth < count; index++ {
		width := min(tileWidth, count-index*tileWidth)
		path := tilePath(fmt.Sprint(number), index, width)
		tile, err := fs.ReadFile(files, path)
		if err != nil {
			return nil, err
		}
		if uint64(len(tile)) != 32*width {
			return nil, fmt.Errorf("%s: %d bytes for %d hashes", path, len(tile), width)
		}
		for ; len(tile) > 0; tile = tile[32:] {
			all = append(all, tile[:32])
		}
	}
	return all, nil
}

// checkEntries holds entry bundles against the leaves; a log without any is fine.
func checkEntries(files fs.FS, leaves [][]byte) error {
	if _, err := fs.Stat(files, "tile/entries"); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	count := uint64(len(leaves))
	for index := uint64(0); index*tileWidth < count; index++ {
		width := min(tileWidth, count-index*tileWidth)
		path := tilePath("entries", index, width)
		rest, err := fs.ReadFile(files, path)
		if err != nil {
			return err
		}
		for i := uint64(0); i < width; i++ {
			if len(rest) < 2 || len(rest)-2 < int(rest[0])<<8|int(rest[1]) {
				return fmt.Errorf("%s: cut off", path)
			}
			size := int(rest[0])<<8 | int(rest[1])
			leaf := rfc6962.DefaultHasher.HashLeaf(rest[2 : 2+size])
			if !bytes.Equal(leaf, leaves[index*tileWidth+i]) {
				return fmt.Errorf("%s: entry %d is not the record of its leaf", path, i)
			}
			rest = rest[2+size:]
		}
		if len(rest) != 0 {
			return fmt.Errorf("%s: more than %d entries", path, width)
		}
	}
	return nil
}
