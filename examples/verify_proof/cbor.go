package main

import (
	"errors"
	"fmt"
)

// CBOR as khipu's records use it: integers, byte strings, texts, arrays, maps, false, true, null and floats; every head
// in its shortest form, no lengths left open. Values: uint64, negative, []byte, text, array, object, bool, nil, float.
type (
	negative uint64 // -1 - n
	text     string
	array    []any
	object   map[any]any
	float    []byte
)

var errCBOR = errors.New("not the CBOR of a record")

type reader struct{ rest []byte }

func decode(record []byte) (object, error) {
	r := reader{record}
	value, err := r.value(0)
	if err != nil {
		return nil, err
	}
	fields, ok := value.(object)
	if !ok || len(r.rest) != 0 {
		return nil, errCBOR
	}
	return fields, nil
}

func (r *reader) take(n uint64) ([]byte, error) {
	if n > uint64(len(r.rest)) {
		return nil, errCBOR
	}
	taken := r.rest[:n]
	r.rest = r.rest[n:]
	return taken, nil
}

// Major type and argument; for major type 7 the argument is the additional information itself.
func (r *reader) head() (byte, uint64, error) {
	first, err := r.take(1)
	if err != nil {
		return 0, 0, err
	}
	major, info := first[0]>>5, first[0]&31
	if info < 24 || major == 7 {
		return major, uint64(info), nil
	}
	if info > 27 {
		return 0, 0, errCBOR
	}
	bytes, err := r.take(1 << (info - 24))
	if err != nil {
		return 0, 0, err
	}
	var argument uint64
	for _, b := range bytes {
		argument = argument<<8 | uint64(b)
	}
	least := []uint64{24, 1 << 8, 1 << 16, 1 << 32}[info-24]
	if argument < least {
		return 0, 0, errCBOR // a longer head than it needs
	}
	return major, argument, nil
}

func (r *reader) value(depth int) (any, error) {
	if depth > 16 {
		return nil, errCBOR
	}
	major, argument, err := r.head()
	if err != nil {
		return nil, err
	}
	switch major {
	case 0:
		return argument, nil
	case 1:
		return negative(argument), nil
	case 2:
		return r.take(argument)
	case 3:
		bytes, err := r.take(argument)
		return text(bytes), err
	case 4:
		items := array{}
		for i := uint64(0); i < argument; i++ {
			item, err := r.value(depth + 1)
			if err != nil {
				return nil, err
			}
			items = append(items, item)
		}
		return items, nil
	case 5:
		fields := object{}
		for i := uint64(0); i < argument; i++ {
			key, err := r.value(depth + 1)
			if err != nil {
				return nil, err
			}
			switch key.(type) {
			case uint64, text:
			default:
				return nil, errCBOR
			}
			if _, twice := fields[key]; twice {
				return nil, errCBOR
			}
			if fields[key], err = r.value(depth + 1); err != nil {
				return nil, err
			}
		}
		return fields, nil
	case 7:
		switch argument {
		case 20, 21:
			return argument == 21, nil
		case 22:
			return nil, nil
		case 25, 26, 27:
			bytes, err := r.take(1 << (argument - 24))
			return float(bytes), err
		}
	}
	return nil, errCBOR
}

func (o object) number(key uint64) (uint64, error) {
	if n, ok := o[key].(uint64); ok {
		return n, nil
	}
	return 0, fmt.Errorf("the record has no number %d", key)
}

func (o object) text(key uint64) string {
	s, _ := o[key].(text)
	return string(s)
}

// A pin: registry rows of an entity's first version and of the version meant.
type pin struct{ entity, version uint64 }

func toPin(value any) (pin, error) {
	switch v := value.(type) {
	case uint64:
		return pin{v, v}, nil
	case array:
		if len(v) == 2 {
			entity, ok1 := v[0].(uint64)
			version, ok2 := v[1].(uint64)
			if ok1 && ok2 && entity < version {
				return pin{entity, version}, nil
			}
		}
	}
	return pin{}, errCBOR
}

// What an event names: actor, targets, on_behalf_of.
func pins(event object) ([]pin, error) {
	values := []any{event[uint64(4)]}
	if targets, ok := event[uint64(8)]; ok {
		list, ok := targets.(array)
		if !ok {
			return nil, errCBOR
		}
		values = append(values, list...)
	}
	if behalf, ok := event[uint64(14)]; ok {
		values = append(values, behalf)
	}
	var all []pin
	for _, value := range values {
		p, err := toPin(value)
		if err != nil {
			return nil, err
		}
		all = append(all, p)
	}
	return all, nil
}
