#include "engine/tree/policy.h"

#include <algorithm>
#include <charconv>
#include <optional>

namespace khipu::tree {

namespace {

std::vector<std::string_view> words_of(std::string_view line) {
  std::vector<std::string_view> words;
  while (true) {
    const size_t from = line.find_first_not_of(" \t");
    if (from == line.npos) return words;
    const size_t to = std::min(line.find_first_of(" \t", from), line.size());
    words.push_back(line.substr(from, to - from));
    line.remove_prefix(to);
  }
}

bool allowed(char c) {
  const auto byte = static_cast<uint8_t>(c);
  return byte == '\t' || byte == '\n' || (byte >= 0x20 && byte != 0x7f);
}

bool same_key(const VerifierKey& a, const VerifierKey& b) { return a.key == b.key; }

}  // namespace

// One policy file, line by line.
struct Policy::Reader {
  Policy policy;
  size_t line = 0;
  bool quorum_seen = false;

  Error fail(std::string_view what) const {
    return {Code::kInvalid, "policy: line " + std::to_string(line) + ": " + std::string(what)};
  }
  size_t find(std::string_view name) const {
    const auto at = std::find_if(policy.members_.begin(), policy.members_.end(),
                                 [&](const Member& member) { return member.name == name; });
    return at == policy.members_.end() ? kNone : static_cast<size_t>(at - policy.members_.begin());
  }
  Result<void> define(Member member) {
    if (member.name == "none") return fail("the name none is predefined");
    if (find(member.name) != kNone) return fail("a name is defined twice");
    if (policy.members_.size() + policy.logs_.size() >= kPolicyEntryCountMax) return fail("over 1,024 entries");
    policy.members_.push_back(std::move(member));
    return {};
  }

  Result<void> log(const std::vector<std::string_view>& words) {
    if (words.size() < 2 || words.size() > 3) return fail("expected log VKEY [URL]");
    KHIPU_TRY_ASSIGN(VerifierKey key, at("policy: line " + std::to_string(line), VerifierKey::parse(words[1])));
    if (key.type != KeyType::kEd25519) return fail("a log's key must be an Ed25519 key");
    for (const VerifierKey& other : policy.logs_) {
      if (same_key(other, key)) return fail("a log's key is listed twice");
    }
    if (policy.members_.size() + policy.logs_.size() >= kPolicyEntryCountMax) return fail("over 1,024 entries");
    policy.logs_.push_back(std::move(key));
    return {};
  }
  Result<void> witness(const std::vector<std::string_view>& words) {
    if (words.size() < 3 || words.size() > 4) return fail("expected witness NAME VKEY [URL]");
    KHIPU_TRY_ASSIGN(VerifierKey key, at("policy: line " + std::to_string(line), VerifierKey::parse(words[2])));
    if (key.type != KeyType::kCosignature) return fail("a witness's key must be a cosignature key");
    for (const Member& other : policy.members_) {
      if (other.members.empty() && same_key(other.key, key)) return fail("a witness's key is listed twice");
    }
    return define({std::string(words[1]), std::move(key), {}, 0, false});
  }
  Result<void> group(const std::vector<std::string_view>& words) {
    if (words.size() < 4) return fail("expected group NAME all|any|K MEMBER...");
    Member group{std::string(words[1]), {}, {}, 0, false};
    for (size_t i = 3; i < words.size(); ++i) {
      const size_t member = find(words[i]);
      if (member == kNone) return fail("a member that is not defined above");
      if (policy.members_[member].taken) return fail("a member that is one of another group, or twice of this one");
      policy.members_[member].taken = true;
      group.members.push_back(member);
    }
    if (words[2] == "any" || words[2] == "all") {
      group.threshold = words[2] == "any" ? 1 : group.members.size();
    } else {
      const std::string_view digits = words[2];
      const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), group.threshold);
      if (error != std::errc() || end != digits.data() + digits.size() || digits[0] == '0' ||
          group.threshold > group.members.size()) {
        return fail("a threshold must be all, any, or a number from 1 to the count of members");
      }
    }
    return define(std::move(group));
  }
  Result<void> quorum(const std::vector<std::string_view>& words) {
    if (words.size() != 2) return fail("expected quorum NAME");
    if (quorum_seen) return fail("a second quorum");
    quorum_seen = true;
    if (words[1] == "none") return {};
    policy.quorum_ = find(words[1]);
    if (policy.quorum_ == kNone) return fail("the quorum is not defined above");
    return {};
  }
};

Result<Policy> Policy::parse(std::string_view text) {
  if (text.size() > kPolicySizeMax) return Error{Code::kInvalid, "policy: over 256 KiB"};
  if (!std::all_of(text.begin(), text.end(), allowed)) {
    return Error{Code::kInvalid, "policy: control characters other than tab and newline"};
  }
  Reader reader;
  while (!text.empty()) {
    ++reader.line;
    const size_t end = text.find('\n');
    if (end == text.npos) return reader.fail("the last line does not end");
    const std::vector<std::string_view> words = words_of(text.substr(0, end));
    text.remove_prefix(end + 1);
    if (words.empty() || words[0].starts_with('#')) continue;
    if (words[0] == "log") {
      KHIPU_TRY(reader.log(words));
    } else if (words[0] == "witness") {
      KHIPU_TRY(reader.witness(words));
    } else if (words[0] == "group") {
      KHIPU_TRY(reader.group(words));
    } else if (words[0] == "quorum") {
      KHIPU_TRY(reader.quorum(words));
    } else {
      return reader.fail("expected log, witness, group or quorum");
    }
  }
  if (!reader.quorum_seen) return Error{Code::kInvalid, "policy: no quorum"};
  return std::move(reader.policy);
}

Policy Policy::of(VerifierKey log) {
  Policy policy;
  policy.logs_.push_back(std::move(log));
  return policy;
}

bool Policy::accepts(const Note& checkpoint_note, std::string_view origin) const {
  // Key by key, as two may bear one name. A signature of a known key that is wrong spoils the note, whoever else
  // signed.
  bool forged = false;
  const auto signed_by = [&](const VerifierKey& key) {
    const VerifiedNote verified = verify_note(checkpoint_note, {key});
    forged = forged || verified.forged;
    return verified.accepted();
  };
  bool logged = false;
  for (const VerifierKey& log : logs_) {
    const bool here = signed_by(log);
    logged = logged || (here && log.name == origin);
  }
  std::vector<bool> witnessed(members_.size());
  for (size_t i = 0; i < members_.size(); ++i) {  // members come before their group
    const Member& member = members_[i];
    if (member.members.empty()) {
      witnessed[i] = signed_by(member.key);
    } else {
      const auto count = std::count_if(member.members.begin(), member.members.end(),
                                       [&](size_t inner) { return static_cast<bool>(witnessed[inner]); });
      witnessed[i] = static_cast<size_t>(count) >= member.threshold;
    }
  }
  return !forged && logged && (quorum_ == kNone || witnessed[quorum_]);
}

}  // namespace khipu::tree
