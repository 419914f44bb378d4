#include "engine/tree/tlog_proof.h"

#include <charconv>

#include "engine/tree/tree.h"

namespace khipu::tree {

static constexpr std::string_view kFirstLine = "c2sp.org/tlog-proof@v1";
static constexpr size_t kPathCountMax = 63;  // of a tree of 2^63-1 leaves

static Error bad_proof(const char* what) { return {Code::kCorrupt, std::string("proof: ") + what}; }

// The line at the front without its newline; nullopt when none ends.
static std::optional<std::string_view> take_line(std::string_view& text) {
  const size_t end = text.find('\n');
  if (end == text.npos) return std::nullopt;
  const std::string_view line = text.substr(0, end);
  text.remove_prefix(end + 1);
  return line;
}

static std::optional<uint64_t> plain_decimal(std::string_view digits) {
  uint64_t value = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (error != std::errc() || end != digits.data() + digits.size()) return std::nullopt;
  if (digits.size() > 1 && digits[0] == '0') return std::nullopt;
  return value;
}

Result<TlogProof> parse_tlog_proof(std::string_view text) {
  if (text.size() > kNoteSizeMax + (64U << 10)) return bad_proof("over 1 MiB");
  if (take_line(text) != kFirstLine) return bad_proof("the first line is not c2sp.org/tlog-proof@v1");
  TlogProof proof;
  std::optional<std::string_view> line = take_line(text);
  if (line && line->starts_with("extra ")) {
    proof.extra = from_base64(line->substr(6));
    if (!proof.extra) return bad_proof("the extra data is not base64");
    line = take_line(text);
  }
  if (!line || !line->starts_with("index ")) return bad_proof("expected an index line");
  const std::optional<uint64_t> index = plain_decimal(line->substr(6));
  if (!index) return bad_proof("the index is not a plain decimal number");
  proof.index = *index;
  while ((line = take_line(text)) && !line->empty()) {
    const std::optional<Buffer> bytes = from_base64(*line);
    if (!bytes || bytes->size() != sizeof(Hash)) return bad_proof("a line of the path is not the base64 of 32 bytes");
    if (proof.path.size() == kPathCountMax) return bad_proof("over 63 hashes");
    std::copy(bytes->begin(), bytes->end(), proof.path.emplace_back().begin());
  }
  if (!line) return bad_proof("no empty line in front of the checkpoint");
  proof.checkpoint = text;
  return proof;
}

std::string format_tlog_proof(const TlogProof& proof) {
  std::string text(kFirstLine);
  text += '\n';
  if (proof.extra) text.append("extra ").append(base64(*proof.extra)).append("\n");
  text.append("index ").append(std::to_string(proof.index)).append("\n");
  for (const Hash& hash : proof.path) text.append(base64(hash)).append("\n");
  return text.append("\n").append(proof.checkpoint);
}

VerifiedProof verify_tlog_proof(const TlogProof& proof, const Hash& leaf, const Policy& policy) {
  VerifiedProof verified;
  const auto wrong = [&](const char* why) {
    verified.why = why;
    return verified;
  };
  const Result<Note> note = parse_note(proof.checkpoint);
  if (!note.ok()) return wrong("the checkpoint is not a signed note");
  const Result<Checkpoint> checkpoint = parse_checkpoint(note->text);
  if (!checkpoint.ok()) return wrong("the note is not a checkpoint");
  if (!policy.accepts(*note, checkpoint->origin)) {
    return wrong("the checkpoint is not signed by the key that was given, or not by as many as the policy wants");
  }
  if (!verify_inclusion(leaf, proof.index, checkpoint->size, proof.path, checkpoint->root)) {
    return wrong("the path does not lead from the record to the checkpoint");
  }
  verified.right = true;
  verified.checkpoint = *checkpoint;
  return verified;
}

}  // namespace khipu::tree
