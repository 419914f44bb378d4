// Keys: engine/FORMAT.md "Access records".
#include "engine/codec/access.h"

#include "engine/codec/record_raw.h"

namespace khipu::codec {

using raw::Scan;

static uint8_t* put_access(uint8_t* at, const AccessRecord& record) {
  const bool has_outcome = record.outcome != Outcome::kUnknown;
  const uint64_t members = 7 + has_outcome + !record.arguments.empty() + record.results.has_value() +
                           record.as_of.has_value() + !record.code.empty() + !record.client.empty();
  at = raw::put_row_prefix(at, members, RecordKind::kAccess, record.uid, record.recorded_at);
  *at++ = 3;
  at = raw::put_integer(at, record.time);
  *at++ = 4;
  at = raw::put_unsigned(at, record.reporter);
  *at++ = 5;
  at = raw::put_text(at, record.caller);
  *at++ = 6;
  at = raw::put_text(at, record.tool);
  if (has_outcome) {
    *at++ = 7;
    at = raw::put_unsigned(at, static_cast<uint64_t>(record.outcome));
  }
  if (!record.arguments.empty()) {
    *at++ = 8;
    at = raw::put_head(at, raw::kArray, record.arguments.size());
    const std::string* last = nullptr;
    for (const std::string& name : record.arguments) {
      KHIPU_ASSERT(!name.empty() && (last == nullptr || *last < name));
      last = &name;
      at = raw::put_text(at, name);
    }
  }
  if (record.results) {
    *at++ = 9;
    at = raw::put_unsigned(at, *record.results);
  }
  if (record.as_of) {
    *at++ = 10;
    at = raw::put_head(at, raw::kArray, 2);
    at = raw::put_unsigned(at, record.as_of->commit.value);
    at = raw::put_unsigned(at, record.as_of->size);
  }
  if (!record.code.empty()) {
    *at++ = 11;
    at = raw::put_text(at, record.code);
  }
  if (!record.client.empty()) {
    *at++ = 12;
    at = raw::put_text(at, record.client);
  }
  return at;
}

void encode_access(Buffer& to, const AccessRecord& record) {
  KHIPU_ASSERT(!record.caller.empty() && !record.tool.empty());
  size_t size_max = raw::kRowPrefixSizeMax + 12 * (1 + raw::kHeadSizeMax) + record.caller.size() + record.tool.size() +
                    record.code.size() + record.client.size();
  for (const std::string& name : record.arguments) size_max += raw::kHeadSizeMax + name.size();
  raw::append_with(to, size_max, [&](uint8_t* at) { return put_access(at, record); });
}

static void read_arguments(Scan& in, std::vector<std::string>& arguments) {
  const size_t from = in.offset();
  uint64_t count = in.array();
  if (count == 0) in.fail_at(from, "empty list of arguments");
  for (; count > 0 && in.ok(); --count) {
    const size_t name_from = in.offset();
    const std::string_view name = in.filled_text();
    if (!arguments.empty() && arguments.back() >= name) in.fail_at(name_from, "arguments repeated or out of order");
    arguments.emplace_back(name);
  }
}

static AccessRecord::State read_state(Scan& in) {
  const size_t from = in.offset();
  AccessRecord::State state;
  if (in.array() != 2) in.fail_at(from, "expected a commit and a size");
  state.commit = CommitNumber{in.unsigned_integer()};
  state.size = in.unsigned_integer();
  return state;
}

Result<AccessRecord> decode_access(Bytes payload) {
  Scan in(payload);
  AccessRecord record;
  raw::read_row_prefix(in, RecordKind::kAccess, record.uid, record.recorded_at);
  in.need_key(3, "expected key 3, the time");
  record.time = in.integer();
  in.need_key(4, "expected key 4, the reporter");
  record.reporter = in.unsigned_integer();
  in.need_key(5, "expected key 5, the caller");
  record.caller = in.filled_text();
  in.need_key(6, "expected key 6, the tool");
  record.tool = in.filled_text();
  if (in.take_key(7)) {
    const size_t from = in.offset();
    const uint64_t outcome = in.unsigned_integer();
    if (outcome == 0 || outcome > static_cast<uint64_t>(Outcome::kDenied)) in.fail_at(from, "unknown enumerator");
    record.outcome = static_cast<Outcome>(outcome);
  }
  if (in.take_key(8)) read_arguments(in, record.arguments);
  if (in.take_key(9)) record.results = in.unsigned_integer();
  if (in.take_key(10)) record.as_of = read_state(in);
  if (in.take_key(11)) record.code = in.filled_text();
  if (in.take_key(12)) record.client = in.filled_text();
  in.close_map();
  KHIPU_TRY(in.finish("access record"));
  return record;
}

}  // namespace khipu::codec
