#include "engine/query/cursor.h"

#include <algorithm>

#include "engine/codec/cbor.h"
#include "engine/crypto/aead.h"
#include "engine/crypto/hash.h"

namespace khipu::query {
namespace {

using codec::CborReader;
using codec::CborWriter;

constexpr std::string_view kPrefix = "a2.";
constexpr size_t kOverhead = crypto::kAeadNonceSize + crypto::kAeadTagSize;
constexpr size_t kTextSizeMax = 128 << 10;
constexpr uint64_t kEventKind = 1;
constexpr uint64_t kHistoryKind = 2;

// base64url without padding (RFC 4648 section 5), through the engine's strict base64.
std::string to_url_text(Bytes bytes) {
  std::string text = base64(bytes);
  while (text.ends_with('=')) text.pop_back();
  for (char& c : text) c = c == '+' ? '-' : c == '/' ? '_' : c;
  return text;
}

std::optional<Buffer> from_url_text(std::string_view text) {
  std::string plain(text);
  for (char& c : plain) {
    if (c == '+' || c == '/' || c == '=') return std::nullopt;
    c = c == '-' ? '+' : c == '_' ? '/' : c;
  }
  plain.append((4 - plain.size() % 4) % 4, '=');
  return from_base64(plain);
}

QueryError invalid() {
  return {
      "CURSOR_INVALID", "cursor", "",
      "This is not a cursor of this log: it was cut, changed, or made with another key. Leave it out to start anew."};
}

void put_as_of(CborWriter& out, const AsOf& as_of) {
  out.array(6);
  out.unsigned_integer(as_of.tree_size);
  out.bytes(as_of.root);
  out.unsigned_integer(as_of.registry_size);
  out.unsigned_integer(as_of.commit.value);
  out.integer(as_of.commit_time);
  out.boolean(as_of.key_pinned);
}

Result<AsOf> take_as_of(CborReader& in) {
  KHIPU_TRY_ASSIGN(const uint64_t members, in.array());
  if (members != 6) return in.fail("array of the wrong length");
  AsOf as_of;
  KHIPU_TRY_ASSIGN(as_of.tree_size, in.unsigned_integer());
  KHIPU_TRY_ASSIGN(as_of.root, in.fixed<32>());
  KHIPU_TRY_ASSIGN(as_of.registry_size, in.unsigned_integer());
  KHIPU_TRY_ASSIGN(as_of.commit.value, in.unsigned_integer());
  KHIPU_TRY_ASSIGN(as_of.commit_time, in.integer());
  KHIPU_TRY_ASSIGN(as_of.key_pinned, in.boolean());
  return as_of;
}

Result<CborReader> open_kind(Bytes payload, uint64_t kind, uint64_t members) {
  CborReader in(payload);
  KHIPU_TRY_ASSIGN(const uint64_t found, in.array());
  if (found != members) return in.fail("array of the wrong length");
  KHIPU_TRY_ASSIGN(const uint64_t is, in.unsigned_integer());
  if (is != kind) return in.fail("a cursor of another kind");
  return in;
}

Result<EventCursor> take_event(Bytes payload) {
  KHIPU_TRY_ASSIGN(CborReader in, open_kind(payload, kEventKind, 15));
  EventCursor cursor;
  KHIPU_TRY_ASSIGN(cursor.root_id, in.fixed<16>());
  KHIPU_TRY_ASSIGN(cursor.as_of, take_as_of(in));
  KHIPU_TRY_ASSIGN(cursor.first_seq.value, in.unsigned_integer());
  KHIPU_TRY_ASSIGN(cursor.caller, in.fixed<32>());
  KHIPU_TRY_ASSIGN(cursor.given, in.fixed<32>());
  KHIPU_TRY_ASSIGN(const Bytes question, in.bytes());
  KHIPU_TRY_ASSIGN(cursor.question, decode_filter(question));
  KHIPU_TRY_ASSIGN(cursor.last_seq.value, in.unsigned_integer());
  KHIPU_TRY_ASSIGN(cursor.last_time, in.integer());
  KHIPU_TRY_ASSIGN(cursor.total, in.unsigned_integer());
  KHIPU_TRY_ASSIGN(cursor.total_is_lower_bound, in.boolean());
  KHIPU_TRY_ASSIGN(cursor.part_from.value, in.unsigned_integer());
  KHIPU_TRY_ASSIGN(cursor.part_to.value, in.unsigned_integer());
  KHIPU_TRY_ASSIGN(cursor.part_begins, in.boolean());
  KHIPU_TRY_ASSIGN(const Bytes context, in.bytes());
  cursor.context = as_text(context);
  KHIPU_TRY(in.expect_end());
  return cursor;
}

Result<HistoryCursor> take_history(Bytes payload) {
  KHIPU_TRY_ASSIGN(CborReader in, open_kind(payload, kHistoryKind, 8));
  HistoryCursor cursor;
  KHIPU_TRY_ASSIGN(cursor.root_id, in.fixed<16>());
  KHIPU_TRY_ASSIGN(cursor.as_of, take_as_of(in));
  KHIPU_TRY_ASSIGN(cursor.caller, in.fixed<32>());
  KHIPU_TRY_ASSIGN(cursor.given, in.fixed<32>());
  KHIPU_TRY_ASSIGN(const Bytes question, in.bytes());
  KHIPU_TRY_ASSIGN(cursor.question, decode_filter(question));
  KHIPU_TRY_ASSIGN(cursor.next, in.unsigned_integer());
  KHIPU_TRY_ASSIGN(const Bytes context, in.bytes());
  cursor.context = as_text(context);
  KHIPU_TRY(in.expect_end());
  return cursor;
}

}  // namespace

Hash CursorSealer::digest(std::string_view label, Bytes bytes) const {
  return crypto::blake2b_keyed(key_, label, {bytes});
}

// Encrypted, because a filter may hold what was searched for in a protected field. The nonce is a keyed hash of the
// payload: equal cursors are equal texts, and no two payloads share one.
std::string CursorSealer::seal_payload(Bytes payload) const {
  const Hash key = digest("khipu-cursor-v2-key", {}), hash = digest("khipu-cursor-v2-nonce", payload);
  const Bytes nonce = Bytes(hash).first(crypto::kAeadNonceSize);
  Buffer sealed(nonce.begin(), nonce.end());
  sealed.resize(payload.size() + kOverhead);
  crypto::aead_seal(key, nonce, as_bytes(kPrefix), payload, std::span(sealed).subspan(crypto::kAeadNonceSize));
  return std::string(kPrefix) + to_url_text(sealed);
}

Answer<Buffer> CursorSealer::open_payload(std::string_view text) const {
  if (!text.starts_with(kPrefix) || text.size() > kTextSizeMax) return invalid();
  std::optional<Buffer> sealed = from_url_text(text.substr(kPrefix.size()));
  if (!sealed || sealed->size() <= kOverhead) return invalid();
  const Hash key = digest("khipu-cursor-v2-key", {});
  Buffer payload(sealed->size() - kOverhead);
  const Bytes nonce = Bytes(*sealed).first(crypto::kAeadNonceSize);
  if (!crypto::aead_open(key, nonce, as_bytes(kPrefix), Bytes(*sealed).subspan(crypto::kAeadNonceSize), payload)) {
    return invalid();
  }
  // One cursor, one text.
  const Hash hash = digest("khipu-cursor-v2-nonce", payload);
  if (!std::equal(nonce.begin(), nonce.end(), hash.begin())) return invalid();
  return payload;
}

std::string CursorSealer::seal(const EventCursor& cursor) const {
  Buffer question;
  encode_filter(question, cursor.question.filter, cursor.question.order);
  Buffer payload;
  {
    CborWriter out(payload);
    out.array(15);
    out.unsigned_integer(kEventKind);
    out.bytes(cursor.root_id);
    put_as_of(out, cursor.as_of);
    out.unsigned_integer(cursor.first_seq.value);
    out.bytes(cursor.caller);
    out.bytes(cursor.given);
    out.bytes(question);
    out.unsigned_integer(cursor.last_seq.value);
    out.integer(cursor.last_time);
    out.unsigned_integer(cursor.total);
    out.boolean(cursor.total_is_lower_bound);
    out.unsigned_integer(cursor.part_from.value);
    out.unsigned_integer(cursor.part_to.value);
    out.boolean(cursor.part_begins);
    out.bytes(as_bytes(cursor.context));
  }
  return seal_payload(payload);
}

std::string CursorSealer::seal(const HistoryCursor& cursor) const {
  Buffer question;
  encode_filter(question, cursor.question.filter, cursor.question.order);
  Buffer payload;
  {
    CborWriter out(payload);
    out.array(8);
    out.unsigned_integer(kHistoryKind);
    out.bytes(cursor.root_id);
    put_as_of(out, cursor.as_of);
    out.bytes(cursor.caller);
    out.bytes(cursor.given);
    out.bytes(question);
    out.unsigned_integer(cursor.next);
    out.bytes(as_bytes(cursor.context));
  }
  return seal_payload(payload);
}

Answer<EventCursor> CursorSealer::open_event(std::string_view text) const {
  KHIPU_TRY_ASSIGN(const Buffer payload, open_payload(text));
  auto cursor = take_event(payload);
  if (!cursor.ok()) return invalid();  // ours, but of a history
  return std::move(cursor).value();
}

Answer<HistoryCursor> CursorSealer::open_history(std::string_view text) const {
  KHIPU_TRY_ASSIGN(const Buffer payload, open_payload(text));
  auto cursor = take_history(payload);
  if (!cursor.ok()) return invalid();
  return std::move(cursor).value();
}

}  // namespace khipu::query
