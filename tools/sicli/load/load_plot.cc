#include "tools/sicli/load/load_plot.h"

#include <cairo.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <functional>
#include <memory>

#include "base/check.h"
#include "tools/sicli/load/latency_scale.h"

namespace sisyphus::sicli {
namespace {

constexpr int kWidth = 1000;
constexpr int kHeight = 480;
constexpr double kLeft = 84;
constexpr double kRight = kWidth - 24;
constexpr double kTop = 64;
constexpr double kBottom = kHeight - 56;

struct Colour {
  double red;
  double green;
  double blue;
};
constexpr Colour kInk = {0.15, 0.16, 0.18};
constexpr Colour kGrid = {0.87, 0.88, 0.90};
constexpr Colour kMedian = {0.00, 0.45, 0.70};  // These three are told apart by colour-blind eyes.
constexpr Colour kTail = {0.84, 0.37, 0.00};
constexpr Colour kMost = {0.62, 0.63, 0.66};
constexpr Colour kFailure = {0.80, 0.10, 0.15};

enum class Align { kStart, kMiddle, kEnd };

class Picture {
 public:
  Picture()
      : surface_(cairo_image_surface_create(CAIRO_FORMAT_RGB24, kWidth, kHeight),
                 cairo_surface_destroy),
        cairo_(cairo_create(surface_.get()), cairo_destroy) {
    Use({1, 1, 1});
    cairo_paint(cairo_.get());
    cairo_select_font_face(cairo_.get(), "sans-serif", CAIRO_FONT_SLANT_NORMAL,
                           CAIRO_FONT_WEIGHT_NORMAL);
  }

  void Text(double x, double y, double size, Align align, const std::string& text) {
    Use(kInk);
    cairo_set_font_size(cairo_.get(), size);
    cairo_text_extents_t extents;
    cairo_text_extents(cairo_.get(), text.c_str(), &extents);
    if (align == Align::kMiddle) x -= extents.x_advance / 2;
    if (align == Align::kEnd) x -= extents.x_advance;
    cairo_move_to(cairo_.get(), x, y);
    cairo_show_text(cairo_.get(), text.c_str());
  }

  void Line(double x1, double y1, double x2, double y2, Colour colour, double width) {
    Use(colour);
    cairo_set_line_width(cairo_.get(), width);
    cairo_move_to(cairo_.get(), x1, y1);
    cairo_line_to(cairo_.get(), x2, y2);
    cairo_stroke(cairo_.get());
  }

  void Box(double x, double y, double width, double height, Colour colour) {
    Use(colour);
    cairo_rectangle(cairo_.get(), x, y, width, height);
    cairo_fill(cairo_.get());
  }

  // A curve that may have gaps.
  void BeginCurve() { pen_down_ = false; }
  void CurveTo(double x, double y) {
    pen_down_ ? cairo_line_to(cairo_.get(), x, y) : cairo_move_to(cairo_.get(), x, y);
    if (!pen_down_) cairo_line_to(cairo_.get(), x, y);  // One point alone is a dot.
    pen_down_ = true;
  }
  void Gap() { pen_down_ = false; }
  void EndCurve(Colour colour, double width) {
    Use(colour);
    cairo_set_line_width(cairo_.get(), width);
    cairo_set_line_cap(cairo_.get(), CAIRO_LINE_CAP_ROUND);
    cairo_set_line_join(cairo_.get(), CAIRO_LINE_JOIN_ROUND);
    cairo_stroke(cairo_.get());
  }

  Status Save(const std::string& path) {
    const cairo_status_t status = cairo_surface_write_to_png(surface_.get(), path.c_str());
    if (status == CAIRO_STATUS_SUCCESS) return OkStatus();
    return MakeStatus(StatusCode::kInternal, path + ": " + cairo_status_to_string(status));
  }

 private:
  void Use(Colour colour) {
    cairo_set_source_rgb(cairo_.get(), colour.red, colour.green, colour.blue);
  }

  std::unique_ptr<cairo_surface_t, void (*)(cairo_surface_t*)> surface_;
  std::unique_ptr<cairo_t, void (*)(cairo_t*)> cairo_;
  bool pen_down_ = false;
};

struct Curve {
  const char* name;
  Colour colour;
  double width;
  std::function<Duration(const LatencyHistogram&)> value;
};

const std::array<Curve, 3>& Curves() {
  static const std::array<Curve, 3> curves = {{
      {"maximum", kMost, 1.5, [](const LatencyHistogram& h) { return h.max(); }},
      {"p99", kTail, 2, [](const LatencyHistogram& h) { return h.Quantile(0.99); }},
      {"median", kMedian, 2, [](const LatencyHistogram& h) { return h.Quantile(0.5); }},
  }};
  return curves;
}

double Seconds(Duration duration) { return std::chrono::duration<double>(duration).count(); }

// 1, 2 or 5 times a power of ten, so that about ten of them fill `whole`.
double TimeStep(double whole) {
  double power = 1e-3;
  while (true) {
    for (const double digit : {1.0, 2.0, 5.0}) {
      if (whole / (power * digit) <= 12) return power * digit;
    }
    power *= 10;
  }
}

std::string Plain(double number) {
  char text[32];
  std::snprintf(text, sizeof(text), "%g", number);
  return text;
}

double Y(double share) { return kBottom - share * (kBottom - kTop); }

void DrawFrame(const LoadResult& result, const LatencyScale& scale, const std::string& title,
               Picture* picture) {
  picture->Text(kLeft, 28, 15, Align::kStart, title);
  for (const Duration tick : scale.ticks()) {
    const double y = Y(scale.At(tick));
    picture->Line(kLeft, y, kRight, y, kGrid, 1);
    picture->Text(kLeft - 8, y + 4, 12, Align::kEnd, TickName(tick));
  }
  const double whole = Seconds(result.slot_length) * static_cast<double>(result.slots.size());
  const double step = TimeStep(whole);
  for (int i = 0; step * i <= whole * 1.0001; ++i) {
    const double x = kLeft + step * i / whole * (kRight - kLeft);
    picture->Line(x, kBottom, x, kBottom + 5, kInk, 1);
    picture->Text(x, kBottom + 20, 12, Align::kMiddle, Plain(step * i));
  }
  picture->Line(kLeft, kBottom, kRight, kBottom, kInk, 1);
  picture->Text((kLeft + kRight) / 2, kHeight - 12, 12, Align::kMiddle,
                "seconds; a request counts where it was due");
  double x = kLeft;
  const auto entry = [&](const char* name, Colour colour) {
    picture->Box(x, 42, 14, 4, colour);
    picture->Text(x + 20, 49, 12, Align::kStart, name);
    x += 96;
  };
  for (const Curve& curve : Curves()) entry(curve.name, curve.colour);
  if (result.failures() > 0) entry("failed", kFailure);
}

}  // namespace

Status PlotLoad(const LoadResult& result, const std::string& title, const std::string& path) {
  const LatencyScale scale(result.slots);
  Picture picture;
  DrawFrame(result, scale, title, &picture);
  const double slot_width = (kRight - kLeft) / static_cast<double>(result.slots.size());
  for (const Curve& curve : Curves()) {
    picture.BeginCurve();
    for (size_t i = 0; i < result.slots.size(); ++i) {
      const LatencyHistogram& latency = result.slots[i].latency;
      if (latency.count() == 0) {
        picture.Gap();
      } else {
        picture.CurveTo(kLeft + (static_cast<double>(i) + 0.5) * slot_width,
                        Y(scale.At(curve.value(latency))));
      }
    }
    picture.EndCurve(curve.colour, curve.width);
  }
  for (size_t i = 0; i < result.slots.size(); ++i) {
    if (result.slots[i].failed == 0) continue;
    picture.Box(kLeft + static_cast<double>(i) * slot_width, kBottom - 8, std::max(slot_width, 2.0),
                8, kFailure);
  }
  return picture.Save(path);
}

}  // namespace sisyphus::sicli
