#include "mcp/server/request_state.h"

#include "engine/base/bytes.h"
#include "engine/crypto/hash.h"

namespace khipu::mcp::server {
namespace {

constexpr uint8_t kVersion = 1;
constexpr size_t kHeadSize = 1 + sizeof(int64_t);
constexpr size_t kTagSize = sizeof(Hash);
constexpr size_t kStateSizeMax = 64 * 1024;

Hash tag_of(const std::array<uint8_t, 32>& key, const StateBinding& binding, Bytes head, Bytes payload) {
  return crypto::blake2b_keyed(
      key, "khipu mcp requestState",
      {head, as_bytes(binding.caller), as_bytes(binding.method), as_bytes(binding.params), payload});
}

}  // namespace

StateBinding state_binding(std::string caller, std::string method, Json params) {
  // The envelope, the answers and the state itself differ from round to round; all else must not. Json sorts its keys.
  for (const char* name : {"_meta", "inputResponses", "requestState"}) params.erase(name);
  return {std::move(caller), std::move(method), params.dump(-1, ' ', false, Json::error_handler_t::replace)};
}

std::string seal_state(const std::array<uint8_t, 32>& key, const StateBinding& binding, std::string_view payload,
                       TimeUs expires) {
  Buffer sealed = {kVersion};
  append_le<int64_t>(sealed, expires);
  const Hash tag = tag_of(key, binding, sealed, as_bytes(payload));
  append(sealed, as_bytes(payload));
  append(sealed, tag);
  return base64(sealed);
}

Result<std::string> open_state(const std::array<uint8_t, 32>& key, const StateBinding& binding, std::string_view text,
                               TimeUs now) {
  const Error refused{Code::kInvalid,
                      "params.requestState is not one this server gave for this request, or is too old"};
  if (text.size() > kStateSizeMax) return refused;
  const std::optional<Buffer> sealed = from_base64(text);
  if (!sealed || sealed->size() < kHeadSize + kTagSize || sealed->front() != kVersion) return refused;
  const Bytes all(*sealed);
  const Bytes head = all.first(kHeadSize);
  const Bytes payload = all.subspan(kHeadSize, all.size() - kHeadSize - kTagSize);
  if (!crypto::equal_constant_time(all.last(kTagSize), tag_of(key, binding, head, payload))) return refused;
  if (load_le<int64_t>(head.data() + 1) <= now) return refused;
  return std::string(as_text(payload));
}

}  // namespace khipu::mcp::server
