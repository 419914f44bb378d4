// The renderer: escaping is reversible, what comes out is visible and one line, and no data closes the mark.
#include "mcp/tools/render.h"
#include "mcp/tools/secrets.h"
#include "tests/fuzz/fuzz.h"

using namespace khipu;
using namespace khipu::mcp::tools;

KHIPU_FUZZ(input) {
  const std::string_view raw = as_text(input);
  const Escaped escaped = escape(raw);
  KHIPU_ASSERT(unescape(escaped) == raw);
  KHIPU_ASSERT(is_presentable(escaped.text));
  KHIPU_ASSERT(is_presentable(render_got(raw)));

  const size_t chars_max = input.empty() ? 1 : input[0];
  Renderer renderer("7f3a");
  const Rendered rendered = renderer.free_text(raw, chars_max);
  KHIPU_ASSERT(is_presentable(rendered.text));
  KHIPU_ASSERT(rendered.omitted_bytes <= raw.size());
  const std::string_view close = "\u27E7";
  const size_t first = rendered.text.find(close);
  KHIPU_ASSERT(raw.empty() || first != std::string::npos);
  KHIPU_ASSERT(raw.empty() || rendered.text.find(close, first + 1) == std::string::npos);

  const std::vector<std::string> known = {std::string(raw.substr(raw.size() / 3, 8))};
  size_t end = 0;
  for (const Span& span : find_secrets(raw, known)) {
    KHIPU_ASSERT(span.begin >= end && span.begin < span.end && span.end <= raw.size());
    end = span.end;
  }
  // A value is found whole however a JSON string has it: as it is, or by any of its escapes.
  std::string written;
  for (size_t i = 0; i < known[0].size(); ++i) {
    const auto c = static_cast<unsigned char>(known[0][i]);
    const bool is_escaped = (chars_max >> (i % 8) & 1) != 0;
    if (c < 0x80 && (is_escaped || c < 0x20)) {
      written += "\\u00" + hex(Bytes(&c, 1));
    } else {
      if (c == '"' || c == '\\') written += '\\';
      written += static_cast<char>(c);
    }
  }
  if (known[0].size() >= kKnownSizeMin) {
    const std::vector<Span> spans = find_secrets(written, known);
    KHIPU_ASSERT(spans.size() == 1 && spans[0].begin == 0 && spans[0].end == written.size());
  }
  {
    const Renderer::Knowing knowing(renderer, known);
    KHIPU_ASSERT(is_presentable(renderer.free_text(raw, chars_max).text));
  }

  const Rendered token = renderer.token(raw);
  KHIPU_ASSERT(is_presentable(token.text));
  KHIPU_ASSERT(token.marked || token.text.empty() || token.text == raw);
}
