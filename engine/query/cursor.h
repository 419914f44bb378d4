// A place in an answer as opaque text that only its maker can make: "a2." base64url(nonce | ciphertext | tag),
// XChaCha20-Poly1305 under a key made from the cursor key, the prefix as associated data; the payload is a CBOR array,
// never on disk. It repeats the question, and so what was searched for in a protected field: nobody else reads it.
//
// Bound to the question, the order, the caller and the size of the log, so that holding a cursor is no right in itself
// and a later page is cut at the same size as the first.
#pragma once

#include <array>
#include <string>

#include "engine/query/filter.h"
#include "engine/query/rows.h"

namespace khipu::query {

struct EventCursor {
  RootId root_id{};
  AsOf as_of;              // of the first page
  Row first_seq;           // least seq held then: more purged since means the cursor has expired
  Hash caller{};           // digest of who asked
  Hash given{};            // digest of the question as the caller put it
  DecodedFilter question;  // resolved: relative times and names are fixed by the first page
  Row last_seq;            // the last row handed out
  TimeUs last_time = 0;    // its occurred_at
  uint64_t total = 0;
  bool total_is_lower_bound = false;
  // A search for text goes through the log in parts, and pages through each: rows [part_from, part_to) of this one.
  Row part_from, part_to{UINT64_MAX};
  bool part_begins = false;  // nothing of it was handed out, nor counted
  std::string context;
};
struct HistoryCursor {
  RootId root_id{};
  AsOf as_of;
  Hash caller{};
  Hash given{};            // digest of the question as the caller put it
  DecodedFilter question;  // window and axis; the entity's ref as the one target, the fields as actions
  uint64_t next = 0;       // versions of the window already handed out
  std::string context;
};

class CursorSealer {
 public:
  explicit CursorSealer(const std::array<uint8_t, 32>& key) : key_(key) {}
  std::string seal(const EventCursor& cursor) const;
  std::string seal(const HistoryCursor& cursor) const;
  // CURSOR_INVALID: not made by us, cut or changed. Whether it fits the question is for the caller to see.
  Answer<EventCursor> open_event(std::string_view text) const;
  Answer<HistoryCursor> open_history(std::string_view text) const;
  Hash digest(std::string_view label, Bytes bytes) const;

 private:
  std::string seal_payload(Bytes payload) const;
  Answer<Buffer> open_payload(std::string_view text) const;
  std::array<uint8_t, 32> key_;
};

}  // namespace khipu::query
