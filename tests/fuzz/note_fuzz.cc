// Signed notes, checkpoints and verifier keys: what parses means the same after it was formatted, and nobody's
// signature is found on what they did not sign.
#include "engine/tree/checkpoint.h"
#include "engine/tree/note.h"
#include "tests/fuzz/fuzz.h"

using namespace khipu;

KHIPU_FUZZ(input) {
  const std::string_view text = as_text(input);
  if (const auto note = tree::parse_note(text); note.ok()) {
    KHIPU_ASSERT(tree::format_note(*note) == text);
    tree::VerifierKey key;
    key.name = note->signatures.front().name;
    KHIPU_ASSERT(!tree::verify_note(*note, {key}).accepted());
    if (const auto checkpoint = tree::parse_checkpoint(note->text); checkpoint.ok()) {
      KHIPU_ASSERT(tree::format_checkpoint(*checkpoint) == note->text);
    }
  }
  if (const auto checkpoint = tree::parse_checkpoint(text); checkpoint.ok()) {
    KHIPU_ASSERT(tree::format_checkpoint(*checkpoint) == text);
  }
  if (const auto key = tree::VerifierKey::parse(text); key.ok()) KHIPU_ASSERT(key->text() == text);
}
