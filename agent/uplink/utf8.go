package uplink

import (
	"strings"
	"unicode/utf8"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// encode writes a message. Names and values come from the wire and may be anything, but a message's strings must be
// UTF-8: what is not is replaced, so that a device cannot hide by calling itself something that does not encode.
func encode(m proto.Message) ([]byte, error) {
	data, err := proto.Marshal(m)
	if err == nil {
		return data, nil
	}
	clean(m.ProtoReflect())
	return proto.Marshal(m)
}

// clean makes every string of a message valid.
func clean(m protoreflect.Message) {
	m.Range(func(field protoreflect.FieldDescriptor, value protoreflect.Value) bool {
		switch {
		case field.IsMap():
			cleanMap(field, value.Map())
		case field.IsList():
			list := value.List()
			for i := range list.Len() {
				if v, changed := cleaned(field, list.Get(i)); changed {
					list.Set(i, v)
				}
			}
		default:
			if v, changed := cleaned(field, value); changed {
				m.Set(field, v)
			}
		}
		return true
	})
}

func cleanMap(field protoreflect.FieldDescriptor, entries protoreflect.Map) {
	type entry struct {
		key   protoreflect.MapKey
		value protoreflect.Value
	}
	var all []entry
	entries.Range(func(key protoreflect.MapKey, value protoreflect.Value) bool {
		all = append(all, entry{key, value})
		return true
	})
	for _, e := range all {
		key, keyChanged := cleaned(field.MapKey(), e.key.Value())
		value, valueChanged := cleaned(field.MapValue(), e.value)
		if keyChanged || valueChanged {
			entries.Clear(e.key)
			entries.Set(key.MapKey(), value)
		}
	}
}

// cleaned gives a valid value for a single one, and whether that is another one.
func cleaned(field protoreflect.FieldDescriptor, value protoreflect.Value) (protoreflect.Value, bool) {
	switch field.Kind() {
	case protoreflect.MessageKind:
		clean(value.Message())
	case protoreflect.StringKind:
		if s := value.String(); !utf8.ValidString(s) {
			return protoreflect.ValueOfString(strings.ToValidUTF8(s, "\uFFFD")), true
		}
	}
	return value, false
}
