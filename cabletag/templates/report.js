"use strict";
const byId = (id) => document.getElementById(id);
const passages = [...document.querySelectorAll(".passage")].map((node) => ({
  node,
  labels: node.dataset.labels.split(" "),
  words: node.textContent.toLowerCase(),
  marks: [...node.querySelectorAll("mark")],
}));
const fields = ["f-label", "f-voice", "f-why", "f-text"].map(byId);
function filter() {
  const [label, voice, why, text] = fields.map((field) => field.value);
  const words = text.toLowerCase().split(/\s+/).filter(Boolean);
  let shown = 0;
  for (const passage of passages) {
    const fits =
      (!label || passage.labels.includes(label)) &&
      (!voice || passage.node.dataset.voice === voice) &&
      (!why || passage.node.dataset.why.split(" ").includes(why)) &&
      words.every((word) => passage.words.includes(word));
    passage.node.hidden = !fits;
    shown += fits;
    for (const mark of passage.marks) mark.classList.toggle("off", label !== "" && !mark.dataset.labels.split(" ").includes(label));
  }
  byId("f-count").textContent = `${shown} of the ${passages.length} passages on this page`;
}
for (const field of fields) field.addEventListener("input", filter);
document.querySelector(".filter").hidden = false;
filter();
addEventListener("beforeprint", () => document.querySelectorAll("details[data-print]").forEach((part) => (part.open = true)));
