#include "mcp/auth/key_set.h"

#include <rhonabwy.h>

#include <algorithm>
#include <array>
#include <map>
#include <memory>
#include <mutex>
#include <optional>

#include "engine/base/bytes.h"
#include "mcp/jsonrpc/parse.h"

namespace khipu::mcp::auth {
namespace {

constexpr size_t kKeysMax = 64;
constexpr size_t kKeyIdSizeMax = 256;
constexpr size_t kModulusSizeMin = 342, kModulusSizeMax = 1366;  // base64url digits of 2048 and 8192 bits
constexpr jsonrpc::Limits kLimits{size_t{256} << 10, 16, 1};

struct FreeKey {
  void operator()(jwk_t* key) const { r_jwk_free(key); }
};
struct FreeSignature {
  void operator()(jws_t* signature) const { r_jws_free(signature); }
};

Error refused(std::string why) { return {Code::kForbidden, std::move(why)}; }
Error malformed(std::string why) { return {Code::kInvalid, std::move(why)}; }

std::string text_of(const Json& object, const char* name) {
  const auto member = object.find(name);
  return member != object.end() && member->is_string() ? member->get<std::string>() : std::string();
}

bool is_base64url(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
  });
}

std::optional<Buffer> from_base64url(std::string_view text) {
  std::string padded(text);
  std::replace(padded.begin(), padded.end(), '-', '+');
  std::replace(padded.begin(), padded.end(), '_', '/');
  padded.append((4 - padded.size() % 4) % 4, '=');
  return from_base64(padded);
}

// The algorithms a key of this kind can verify; none: not a key for us.
std::vector<std::string> algorithms_of(const Json& key) {
  const std::string kind = text_of(key, "kty"), curve = text_of(key, "crv");
  if (kind == "RSA") {
    const size_t size = text_of(key, "n").size();
    if (size < kModulusSizeMin || size > kModulusSizeMax) return {};
    return {"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"};
  }
  if (kind == "EC" && curve == "P-256") return {"ES256"};
  if (kind == "EC" && curve == "P-384") return {"ES384"};
  if (kind == "EC" && curve == "P-521") return {"ES512"};
  if (kind == "OKP" && curve == "Ed25519") return {"EdDSA"};
  return {};
}

bool is_for_signatures(const Json& key) {
  if (key.contains("use") && text_of(key, "use") != "sig") return false;
  const auto uses = key.find("key_ops");
  return uses == key.end() || (uses->is_array() && std::find(uses->begin(), uses->end(), "verify") != uses->end());
}

// Its public members alone: no address to fetch a certificate from ever reaches the library.
Json public_members(const Json& key) {
  Json kept = Json::object();
  for (const char* name : {"kty", "n", "e", "crv", "x", "y"}) {
    if (const std::string value = text_of(key, name); !value.empty()) kept[name] = value;
  }
  return kept;
}

void start_library() {
  static std::once_flag once;
  std::call_once(once, [] { KHIPU_ASSERT(r_global_init() == RHN_OK); });
}

std::unique_ptr<jwk_t, FreeKey> library_key(const std::string& text) {
  jwk_t* key = nullptr;
  if (r_jwk_init(&key) != RHN_OK) return nullptr;
  std::unique_ptr<jwk_t, FreeKey> owned(key);
  if (r_jwk_import_from_json_str(key, text.c_str()) != RHN_OK) return nullptr;
  const int kind = r_jwk_key_type(key, nullptr, R_FLAG_IGNORE_REMOTE);
  return (kind & R_KEY_TYPE_PUBLIC) != 0 ? std::move(owned) : nullptr;
}

}  // namespace

Result<TokenHeader> parse_token_header(std::string_view token) {
  if (token.size() > kAccessTokenSizeMax) return malformed("an access token has at most 8192 bytes");
  const size_t first = token.find('.');
  const size_t second = first == std::string_view::npos ? first : token.find('.', first + 1);
  if (second == std::string_view::npos || !is_base64url(token.substr(0, first)) ||
      !is_base64url(token.substr(first + 1, second - first - 1)) || !is_base64url(token.substr(second + 1))) {
    return malformed("not a signed token in compact form");
  }
  const std::optional<Buffer> bytes = from_base64url(token.substr(0, first));
  if (!bytes) return malformed("the header is not base64url");
  const std::optional<Json> header =
      jsonrpc::parse_value({reinterpret_cast<const char*>(bytes->data()), bytes->size()}, kLimits);
  if (!header || !header->is_object()) return malformed("the header is not an object");
  for (const char* name : {"crit", "zip", "b64", "jwk", "jku", "x5u", "x5c", "enc"}) {
    if (header->contains(name)) return malformed(std::string("a token with ") + name + " is not taken");
  }
  std::string type = text_of(*header, "typ");
  std::transform(type.begin(), type.end(), type.begin(), [](char c) { return c >= 'A' && c <= 'Z' ? c + 32 : c; });
  if (header->contains("typ") && type != "jwt" && type != "at+jwt" && type != "application/at+jwt") {
    return malformed("the token is of another type");
  }
  TokenHeader out{text_of(*header, "alg"), text_of(*header, "kid")};
  if (header->contains("kid") && (out.key_id.empty() || out.key_id.size() > kKeyIdSizeMax)) {
    return malformed("kid is not a text of 1 to 256 bytes");
  }
  return out;
}

bool KeySet::Key::fits(const TokenHeader& header) const {
  return (header.key_id.empty() || header.key_id == id) &&
         std::find(algorithms.begin(), algorithms.end(), header.algorithm) != algorithms.end();
}

Result<KeySet> KeySet::parse(std::string_view text) {
  start_library();
  const std::optional<Json> document = jsonrpc::parse_value(text, kLimits);
  if (!document || !document->is_object() || !document->contains("keys") || !document->at("keys").is_array()) {
    return malformed("not a key set: {\"keys\":[...]} is wanted");
  }
  if (document->at("keys").size() > kKeysMax) return malformed("more than 64 keys");
  KeySet set;
  for (const Json& key : document->at("keys")) {
    if (!key.is_object()) return malformed("a key is not an object");
    if (key.contains("d") || text_of(key, "kty") == "oct") {
      return malformed("there is a secret key in it: only public keys belong here");
    }
    Key one{text_of(key, "kid"), algorithms_of(key), public_members(key).dump()};
    if (key.contains("alg")) {
      const std::string only = text_of(key, "alg");
      std::erase_if(one.algorithms, [&](const std::string& algorithm) { return algorithm != only; });
    }
    if (one.algorithms.empty() || one.id.size() > kKeyIdSizeMax || !is_for_signatures(key)) continue;
    if (library_key(one.text) == nullptr) return malformed("a key does not hold what its kind needs");
    set.keys_.push_back(std::move(one));
  }
  if (set.keys_.empty()) return malformed("no key in it verifies signatures");
  return set;
}

bool KeySet::has_key_for(const TokenHeader& header) const {
  return std::any_of(keys_.begin(), keys_.end(), [&](const Key& key) { return key.fits(header); });
}

Result<Json> KeySet::verify(std::string_view token) const {
  const Result<TokenHeader> header = parse_token_header(token);
  if (!header.ok()) return refused(header.error().message);
  for (const Key& key : keys_) {
    if (!key.fits(*header)) continue;
    const auto verifier = library_key(key.text);
    jws_t* made = nullptr;
    if (verifier == nullptr || r_jws_init(&made) != RHN_OK) continue;
    const std::unique_ptr<jws_t, FreeSignature> signature(made);
    if (r_jws_parsen(made, token.data(), token.size(), R_FLAG_IGNORE_REMOTE) != RHN_OK) continue;
    // The library's own reading of the header must be ours.
    if (r_jws_get_alg(made) != r_str_to_jwa_alg(header->algorithm.c_str())) continue;
    if (r_jws_verify_signature(made, verifier.get(), R_FLAG_IGNORE_REMOTE) != RHN_OK) continue;
    size_t size = 0;
    const unsigned char* payload = r_jws_get_payload(made, &size);
    std::optional<Json> claims = payload == nullptr
                                     ? std::nullopt
                                     : jsonrpc::parse_value({reinterpret_cast<const char*>(payload), size}, kLimits);
    if (!claims || !claims->is_object()) return refused("the claims are not an object");
    return *std::move(claims);
  }
  return refused("no key of ours has signed it");
}

}  // namespace khipu::mcp::auth
