"use strict";
const byId = (id) => document.getElementById(id);
const passages = [...document.querySelectorAll(".passage")].map((node) => ({
  node,
  labels: node.dataset.labels.split(" "),
  words: node.textContent.toLowerCase(),
  marks: [...node.querySelectorAll("mark")],
}));
const fields = ["f-label", "f-voice", "f-why", "f-text"].map(byId);
const page = 25;
let limit = page;
function filter() {
  const [label, voice, why, text] = fields.map((field) => field.value);
  const words = text.toLowerCase().split(/\s+/).filter(Boolean);
  let fitting = 0;
  for (const passage of passages) {
    const fits =
      (!label || passage.labels.includes(label)) &&
      (!voice || passage.node.dataset.voice === voice) &&
      (!why || passage.node.dataset.why.split(" ").includes(why)) &&
      words.every((word) => passage.words.includes(word));
    fitting += fits;
    passage.node.hidden = !fits || fitting > limit;
    for (const mark of passage.marks) mark.classList.toggle("off", label !== "" && !mark.dataset.labels.split(" ").includes(label));
  }
  const shown = Math.min(fitting, limit);
  byId("f-count").textContent = `${fitting} of the ${passages.length} passages on this page fit` + (shown < fitting ? `, ${shown} are shown` : "");
  byId("more").hidden = shown === fitting;
}
for (const field of fields)
  field.addEventListener("input", () => {
    limit = page;
    filter();
  });
byId("more").addEventListener("click", () => {
  const next = passages.filter((passage) => !passage.node.hidden).length;
  limit += page;
  filter();
  passages.filter((passage) => !passage.node.hidden)[next].node.focus();
});
document.querySelector(".filter").hidden = false;
filter();
addEventListener("beforeprint", () => document.querySelectorAll("details[data-print]").forEach((part) => (part.open = true)));
