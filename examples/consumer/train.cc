// MC-SGD on two small tasks of our own: bars that lie, then bars that stand.

#include <cstdio>
#include <memory>
#include <string>

#include "common/nn/network.h"
#include "common/random/stream.h"
#include "continual/learners/mc_sgd.h"
#include "continual/training/trainer.h"

namespace {

using namespace perennial;  // NOLINT: an example.

constexpr int kSide = 8;

// Class c is a bar in row c (task 0) or column c (task 1), with noise.
class Bars final : public continual::TaskStream {
 public:
  std::string name() const override { return "bars"; }
  int tasks() const override { return 2; }
  int32_t features() const override { return kSide * kSide; }
  int32_t classes() const override { return kSide; }
  int32_t train_size(int) const override { return 2000; }
  int32_t test_size(int) const override { return 500; }
  continual::ImageView Train(int task) const override { return Draw(task, "train", 2000); }
  continual::ImageView Test(int task) const override { return Draw(task, "test", 500); }

 private:
  std::shared_ptr<const data::LabeledImages> Draw(int task, const char* part, int count) const {
    random::Stream stream = random::Stream(1).Split(part).Split(task);
    auto images = std::make_shared<data::LabeledImages>();
    images->height = images->width = kSide;
    images->classes = kSide;
    for (int i = 0; i < count; ++i) {
      const int label = static_cast<int>(stream.Below(kSide));
      images->labels.push_back(label);
      for (int pixel = 0; pixel < kSide * kSide; ++pixel) {
        const bool on = label == (task == 0 ? pixel / kSide : pixel % kSide);
        images->pixels.push_back(static_cast<uint8_t>(stream.Below(180) + (on ? 75 : 0)));
      }
    }
    return images;
  }
};

}  // namespace

int main() {
  continual::TrainingConfig training;  // Its defaults, but for the step size.
  training.set_learning_rate(0.1);
  auto network = nn::Network::Create(nn::MultilayerPerceptron(kSide * kSide, {64}, kSide));
  if (!network.ok()) return 1;
  auto unit = continual::TaskUnit::Create(
      {.key = {"mc_sgd", "bars", "seed", "0"},
       .stream = std::make_shared<Bars>(),
       .network = *network,
       .learner = [&] { return continual::MakeMcSgd(continual::McSgdConfig(), training); },
       .seed = 0});
  if (!unit.ok()) return 1;
  const absl::Status status = (*unit)->Advance((*unit)->plan().steps);
  if (!status.ok()) {
    std::fprintf(stderr, "%s\n", std::string(status.message()).c_str());
    return 1;
  }
  for (const auto& measurement : (*unit)->Results().measurements) {
    std::printf("%-20s %g\n", measurement.metric.c_str(), measurement.value);
  }
  return 0;
}
