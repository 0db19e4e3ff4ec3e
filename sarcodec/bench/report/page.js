"use strict";
(() => {
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];

  // Tables: a click on a head sorts, another one turns the order; what is missing stays at the end.
  for (const button of all("thead button")) {
    button.addEventListener("click", () => {
      const head = button.closest("th");
      const body = head.closest("table").tBodies[0];
      const place = head.cellIndex;
      const down = head.getAttribute("aria-sort") === "ascending";
      for (const other of head.parentElement.cells) other.setAttribute("aria-sort", "none");
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      const numeric = head.classList.contains("num") || all("td[data-sort]", body).some((c) => c.cellIndex === place);
      const key = (row) => {
        const cell = row.cells[place];
        if (!numeric) return cell.textContent.trim();
        return cell.dataset.sort === undefined ? NaN : Number(cell.dataset.sort);
      };
      const rows = [...body.rows].map((row, index) => ({ row, index, key: key(row) }));
      rows.sort((a, b) => {
        const missing = Number(Number.isNaN(a.key)) - Number(Number.isNaN(b.key));
        if (missing) return missing;
        const order = numeric ? a.key - b.key : a.key.localeCompare(b.key, "en", { numeric: true });
        return (down ? -order : order) || a.index - b.index;
      });
      body.append(...rows.map((entry) => entry.row));
    });
  }

  // Legends: a click hides a codec in every plot, pointing at one dims the others.
  for (const button of all(".legend button")) {
    const mark = ".codec-" + button.dataset.codec;
    button.addEventListener("click", () => {
      const on = button.getAttribute("aria-pressed") !== "true";
      for (const twin of all(`.legend button[data-codec="${button.dataset.codec}"]`)) {
        twin.setAttribute("aria-pressed", String(on));
      }
      for (const part of all("svg " + mark)) part.classList.toggle("off", !on);
    });
    const light = (on) => () => {
      for (const plots of all(".plots")) plots.classList.toggle("focus", on);
      for (const part of all("svg " + mark)) part.classList.toggle("lit", on);
    };
    for (const event of ["mouseenter", "focus"]) button.addEventListener(event, light(true));
    for (const event of ["mouseleave", "blur"]) button.addEventListener(event, light(false));
  }

  // Pictures.
  const viewer = document.getElementById("viewer");
  if (!viewer) return;
  const press = (group, chosen) => {
    for (const button of all("button", group)) button.setAttribute("aria-pressed", String(button === chosen));
  };
  const windows = all(".window", viewer);
  const choice = viewer.querySelector("#window");
  const show = (number) => windows.forEach((each, place) => { each.hidden = place !== number; });
  if (choice) choice.addEventListener("change", () => show(choice.selectedIndex));
  show(0);

  for (const group of all("[data-switch=view]", viewer)) {
    for (const button of all("button", group)) {
      button.addEventListener("click", () => {
        press(group, button);
        for (const frame of all(".shot[data-codec] .frame", viewer)) {
          const pictures = all("img:not(.over)", frame);
          const wanted = pictures.find((each) => each.dataset.view === button.value) || pictures[0];
          for (const each of pictures) each.hidden = each !== wanted;
        }
        for (const scale of all("[data-scale]", viewer)) scale.hidden = scale.dataset.scale !== button.value;
      });
    }
  }
  for (const group of all("[data-switch=zoom]", viewer)) {
    for (const button of all("button", group)) {
      button.addEventListener("click", () => {
        press(group, button);
        viewer.style.setProperty("--zoom", button.value);
      });
    }
  }
  for (const button of all("[data-switch=codec] button", viewer)) {
    button.addEventListener("click", () => {
      const on = button.getAttribute("aria-pressed") !== "true";
      button.setAttribute("aria-pressed", String(on));
      for (const shot of all(`.shot[data-codec="${button.value}"]`, viewer)) shot.hidden = !on;
    });
  }

  // The original lies on top of every decoded picture, unseen until it is asked for: nothing flashes.
  const swap = (shot, on) => shot.classList.toggle("swapped", on);
  for (const each of windows) {
    const original = each.querySelector(".shot[data-original] img");
    for (const shot of all(".shot[data-codec]", each)) {
      const over = original.cloneNode();
      over.className = "over";
      over.alt = "";
      shot.querySelector(".frame").append(over);
      const button = shot.querySelector(".flick");
      button.addEventListener("pointerdown", () => swap(shot, true));
      for (const event of ["pointerup", "pointercancel", "pointerleave", "blur"]) {
        button.addEventListener(event, () => swap(shot, false));
      }
      button.addEventListener("keydown", (event) => { if (event.key === " " || event.key === "Enter") swap(shot, true); });
      button.addEventListener("keyup", () => swap(shot, false));
      button.addEventListener("contextmenu", (event) => event.preventDefault());
    }
    const frames = all(".frame", each);
    for (const frame of frames) {
      frame.addEventListener("scroll", () => {
        for (const other of frames) {
          if (other !== frame && (other.scrollLeft !== frame.scrollLeft || other.scrollTop !== frame.scrollTop)) {
            other.scrollTo(frame.scrollLeft, frame.scrollTop);
          }
        }
      }, { passive: true });
    }
  }
  const blink = viewer.querySelector("#blink");
  let timer = 0;
  blink.addEventListener("click", () => {
    const on = blink.getAttribute("aria-pressed") !== "true";
    blink.setAttribute("aria-pressed", String(on));
    clearInterval(timer);
    let original = false;
    const turn = () => {
      original = on && !original;
      for (const shot of all(".shot[data-codec]", viewer)) swap(shot, original);
    };
    turn();
    if (on) timer = setInterval(turn, 600);
  });
})();
