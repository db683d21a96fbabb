// The adopt page: a preview of the choice, and a name for those who have none.

const NAMES = ["Mochi", "Biscuit", "Ferri", "Pudding", "Nori", "Pebble", "Waffle", "Clover", "Pixel", "Maple", "Sesame", "Dumpling"];

export function startAdopting() {
  const form = document.querySelector("form[action='/adopt']");
  if (!form) return;
  const preview = document.getElementById("preview");
  const stage = preview.closest(".stage");
  const name = form.elements.name;
  const draw = () => {
    const chosen = form.querySelector("[name=species]:checked").closest("label").querySelector(".pet");
    preview.replaceChildren(chosen.cloneNode(true));
    const coat = form.elements.colour.value;
    stage.dataset.coat = coat;
    for (const pet of document.querySelectorAll(".form-card .pet, #preview .pet")) pet.dataset.coat = coat;
    const called = name.value.trim();
    document.getElementById("adopt-name").textContent = called && ` ${called}`;
    document.getElementById("preview-says").textContent = called ? `${called}? I like it!` : "Take me home?";
  };
  form.addEventListener("input", draw);
  draw();
  form.addEventListener("change", (event) => {
    if (!event.target.matches("[type=radio]")) return;
    const pet = preview.querySelector(".pet");
    pet.dataset.act = "playing";
    setTimeout(() => delete pet.dataset.act, 1300);
  });
  const dice = document.getElementById("dice");
  dice.hidden = false;
  dice.addEventListener("click", () => {
    const others = NAMES.filter((one) => one !== name.value);
    name.value = others[Math.floor(Math.random() * others.length)];
    draw();
  });
}
