// The one renderer of hostile text: every string that a log's writers could have chosen passes here before a client
// sees it, in both forms of a result, in errors and in resources. Strings in, strings out; no JSON.
//
// Not a filter: it escapes visibly, marks and flags, and drops nothing without saying how much. The rules, the tiers T0
// to T3 and the reasons are in mcp/README.md; the Unicode tables behind it in unicode.h.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace khipu::mcp::tools {

// What was noticed in a value. Advisory: a flagged value is shown like any other.
enum class Flag : uint16_t {
  kHiddenUnicode = 1 << 0,
  kTerminalControl = 1 << 1,
  kBidi = 1 << 2,
  kMixedScript = 1 << 3,
  kInstructionLike = 1 << 4,
  kForgedMarkup = 1 << 5,
  kOddIdentifier = 1 << 6,
  kEncodedBlob = 1 << 7,
};

class Flags {
 public:
  void add(Flag flag) { bits_ = static_cast<uint16_t>(bits_ | static_cast<uint16_t>(flag)); }
  void add(Flags other) { bits_ = static_cast<uint16_t>(bits_ | other.bits_); }
  bool has(Flag flag) const { return (bits_ & static_cast<uint16_t>(flag)) != 0; }
  bool empty() const { return bits_ == 0; }
  uint16_t bits() const { return bits_; }
  std::vector<std::string> names() const;  // "hidden_unicode", ... always in the order above
  bool operator==(const Flags&) const = default;

 private:
  uint16_t bits_ = 0;
};

// Flags of the raw bytes of a value, as it was stored. kOddIdentifier is not among them: see Renderer::token.
Flags inspect(std::string_view raw);

// --- Escaping: reversible, and the result is one line of visible, valid UTF-8 ---

struct Escaped {
  std::string text;
  bool escaped = false;  // false: text is the raw value, byte for byte
};
Escaped escape(std::string_view raw);
// The raw bytes again; nullopt if `text` was not made by escape().
std::optional<std::string> unescape(const Escaped& value);

// Whether every code point may stand in a client's hands: what the tests hold all output to.
bool is_presentable(std::string_view text);

// --- Whole values ---

// Tier T2: an identifier that may be shown plain.
inline constexpr size_t kTokenSizeBytesMax = 80;
bool is_token(std::string_view raw);

// Caps in characters of the rendered text. A caller picks one; T3 text is never rendered without.
inline constexpr size_t kNameCharsMax = 40;      // names in concise rows
inline constexpr size_t kTextCharsMax = 200;     // a free text field in detailed rows
inline constexpr size_t kRevealCharsMax = 2000;  // a field asked for by name
inline constexpr size_t kGotCharsMax = 64;       // the caller's own argument in an error

struct Rendered {
  std::string text;
  Flags flags;
  bool marked = false;       // inside the marks: untrusted
  bool escaped = false;      // backslashes are doubled, escapes are \u{1B} and \x{FF}
  bool masked = false;       // a secret was replaced by [secret masked, N bytes]
  size_t omitted_bytes = 0;  // raw bytes behind the cap; the text says so too: …(+N bytes)
};

// Renders the values of one result. Owned by one call, used by one thread.
class Renderer {
 public:
  // `tag` is random for each result (CallContext::mark_tag). `reveal_secrets`: the caller holds the reveal grant.
  explicit Renderer(std::string tag, bool reveal_secrets = false);

  // T3: masked, escaped, defanged, capped and marked: ⟦7f3a …text… 7f3a⟧
  Rendered free_text(std::string_view raw, size_t chars_max);
  // T2: the value itself if it is a token, else as free_text with odd_identifier. A path with a sentence in it
  // (six or more word-like parts) is shown, and flagged odd_identifier. For the names that everything is indexed and
  // joined by (refs, actions, sources, columns): masked by their form alone, not by what fields of an event hide.
  Rendered token(std::string_view raw, size_t chars_max = kTokenSizeBytesMax);
  // The same of "type:id". What is in front of the colon is a type of the schema, and says nothing of what is behind
  // it: who is called token:auditor-1 is no secret named token.
  Rendered ref(std::string_view raw);
  // The same of what is no such name, a path or a session: masked as free text is.
  Rendered value_token(std::string_view raw, size_t chars_max = kTokenSizeBytesMax);
  // While it lives, what looks like a secret is shown when `on`: for the fields a caller with the reveal grant named.
  class Revealing {
   public:
    Revealing(Renderer& renderer, bool on) : renderer_(renderer), before_(renderer.reveal_secrets_) {
      renderer_.reveal_secrets_ = before_ || on;
    }
    Revealing(const Revealing&) = delete;
    Revealing& operator=(const Revealing&) = delete;
    ~Revealing() { renderer_.reveal_secrets_ = before_; }

   private:
    Renderer& renderer_;
    bool before_;
  };

  // While it lives, `secrets` are masked wherever they stand: values that fields of the same event hide by their names.
  class Knowing {
   public:
    Knowing(Renderer& renderer, std::vector<std::string> secrets)
        : renderer_(renderer), before_(std::exchange(renderer.known_, std::move(secrets))) {}
    Knowing(const Knowing&) = delete;
    Knowing& operator=(const Knowing&) = delete;
    ~Knowing() { renderer_.known_ = std::move(before_); }

   private:
    Renderer& renderer_;
    std::vector<std::string> before_;
  };

  // Whether a value of a field of this name is masked whole: the name says that it is a secret ("password"), and it is
  // not revealed.
  bool hides_field(std::string_view name) const;
  // A value of a field, which its name may hide.
  Rendered field(std::string_view name, std::string_view raw, size_t chars_max);

  // Whether anything was marked so far, and the line that says so: "untrusted text is inside ⟦7f3a … 7f3a⟧".
  bool has_marked() const { return has_marked_; }
  std::string notice() const;

 private:
  Rendered marked(std::string_view raw, size_t chars_max, const std::vector<std::string>& known);
  // `searched`: the part of it in which a secret may be.
  Rendered token(std::string_view raw, size_t chars_max, const std::vector<std::string>& known,
                 std::string_view searched);

  std::string tag_;
  bool reveal_secrets_;
  std::vector<std::string> known_;
  bool has_marked_ = false;
};

// The caller's own words in an error: escaped, capped at 64 characters, unmarked.
std::string render_got(std::string_view raw);

// A cell of a CSV row (RFC 4180 quoting). The value was rendered before: it holds no line end.
std::string csv_cell(std::string_view rendered);

}  // namespace khipu::mcp::tools
