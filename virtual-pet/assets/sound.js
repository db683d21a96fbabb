// Small sounds, made of oscillators; off until switched on. No sound is the only sign of anything.

const NOTES = {
  press: [[420, 300, 60, "sine"]],
  fed: [[180, 140, 60, "triangle"], [170, 130, 60, "triangle", 120], [160, 120, 60, "triangle", 240]],
  played: [[220, 440, 180, "triangle"]],
  slept: [[659, 659, 220, "sine"], [523, 523, 220, "sine", 200], [440, 440, 260, "sine", 400]],
  woke: [[523, 523, 150, "sine"], [659, 659, 150, "sine", 140], [784, 784, 200, "sine", 280]],
  hatched: [[392, 392, 90, "sine"], [494, 494, 90, "sine", 80], [587, 587, 90, "sine", 160], [784, 784, 160, "sine", 240]],
  "job.queued": [[880, 880, 25, "sine"]],
  "job.finished": [[1046, 1046, 90, "sine"]],
  "job.failed": [[160, 150, 120, "square"]],
};
let context = null, last = 0;

export const isOn = () => localStorage.getItem("sound") === "on";

export function toggleSound() {
  localStorage.setItem("sound", isOn() ? "off" : "on");
  if (isOn()) play("press");
  return isOn();
}

export const press = () => play("press");
export const chime = (step) => play(step.what ?? step.kind);

function play(name) {
  const notes = NOTES[name];
  if (!notes || !isOn() || document.hidden || performance.now() - last < 150) return;
  if (!context && !navigator.userActivation?.hasBeenActive) return; // Browsers allow none before a gesture.
  last = performance.now();
  context ??= new AudioContext();
  for (const [from, to, ms, shape, after = 0] of notes) {
    const start = context.currentTime + after / 1000, end = start + ms / 1000;
    const tone = new OscillatorNode(context, { type: shape, frequency: from });
    const gain = new GainNode(context, { gain: 0.12 });
    tone.frequency.linearRampToValueAtTime(to, end);
    gain.gain.setTargetAtTime(0, end - 0.02, 0.02);
    tone.connect(gain).connect(context.destination);
    tone.start(start);
    tone.stop(end + 0.1);
  }
}
