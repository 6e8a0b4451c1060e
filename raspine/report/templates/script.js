"use strict";
(() => {
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];
  document.documentElement.classList.add("js");

  // Which section is being read: the last one whose heading has passed the upper part of the window.
  const links = new Map(all("#sections a").map((link) => [link.hash.slice(1), link]));
  const sections = all("main > section");
  const current = document.getElementById("current");
  const mark = () => {
    const line = Math.min(window.innerHeight * 0.35, 260);
    const atEnd = window.innerHeight + window.scrollY >= document.documentElement.scrollHeight - 2;
    const passed = sections.filter((section) => section.getBoundingClientRect().top <= line);
    const here = atEnd ? sections.at(-1) : passed.at(-1) || sections[0];
    for (const [name, link] of links) {
      if (here && name === here.id) {
        link.setAttribute("aria-current", "true");
        current.textContent = link.textContent;
      } else {
        link.removeAttribute("aria-current");
      }
    }
  };
  let waiting = false;
  const later = () => {
    if (waiting) return;
    waiting = true;
    requestAnimationFrame(() => { waiting = false; mark(); });
  };
  addEventListener("scroll", later, { passive: true });
  addEventListener("resize", later);
  mark();

  // Tables: a click on a heading sorts, the next one turns the order.
  const key = (cell) => (cell.dataset.order !== undefined ? Number(cell.dataset.order) : cell.textContent.trim());
  const compare = (one, two) => {
    if (typeof one === "number" && typeof two === "number") return one - two;
    if (typeof one !== typeof two) return typeof one === "number" ? -1 : 1;
    return one.localeCompare(two, "en", { numeric: true });
  };
  for (const table of all("table.sortable")) {
    const body = table.tBodies[0];
    if (body.rows.length < 2) continue;
    all("thead th", table).forEach((heading, column) => {
      if (!heading.textContent.trim()) return;
      const button = document.createElement("button");
      button.type = "button";
      button.className = "sort";
      button.append(...heading.childNodes);
      heading.append(button);
      button.addEventListener("click", () => {
        const turn = heading.getAttribute("aria-sort") === "ascending" ? -1 : 1;
        all("thead th", table).forEach((other) => other.removeAttribute("aria-sort"));
        heading.setAttribute("aria-sort", turn === 1 ? "ascending" : "descending");
        const rows = [...body.rows].sort((one, two) => turn * compare(key(one.cells[column]), key(two.cells[column])));
        body.append(...rows);
      });
    });
  }

  // A patient's other points light up with the one under the pointer.
  const lit = (patient, on) => {
    for (const point of all("svg [data-patient]")) {
      point.classList.toggle("lit", on && point.dataset.patient === patient);
    }
  };
  document.addEventListener("pointerover", (event) => {
    const point = event.target.closest("svg [data-patient]");
    if (point) lit(point.dataset.patient, true);
  });
  document.addEventListener("pointerout", (event) => {
    const point = event.target.closest("svg [data-patient]");
    if (point) lit(point.dataset.patient, false);
  });

  // Decisions at any threshold; a risk equal to the threshold is called positive.
  const wilson = (part, whole) => {
    if (!whole) return null;
    const z = 1.959963984540054;
    const scale = 1 + (z * z) / whole;
    const centre = (part + (z * z) / 2) / whole / scale;
    const half = ((z / scale) * Math.sqrt((part * (whole - part)) / whole + (z * z) / 4)) / whole;
    return [part === 0 ? 0 : centre - half, part === whole ? 1 : centre + half];
  };
  const percent = (share) => `${(100 * share).toFixed(1)} %`;
  for (const explorer of all(".explorer")) {
    const risks = JSON.parse(explorer.dataset.risks);
    const outcomes = JSON.parse(explorer.dataset.outcomes);
    const frozen = Number(explorer.dataset.threshold);
    const slider = explorer.querySelector("input[type=range]");
    const note = explorer.querySelector("#explorer-note");
    const show = (threshold, isFrozen) => {
      const count = { tp: 0, fn: 0, fp: 0, tn: 0 };
      risks.forEach((risk, row) => {
        const called = risk >= threshold;
        count[outcomes[row] ? (called ? "tp" : "fn") : called ? "fp" : "tn"] += 1;
      });
      const shares = {
        sensitivity: [count.tp, count.tp + count.fn],
        specificity: [count.tn, count.tn + count.fp],
        ppv: [count.tp, count.tp + count.fp],
        npv: [count.tn, count.tn + count.fn],
      };
      for (const [name, value] of Object.entries(count)) {
        explorer.querySelector(`[data-out=${name}]`).textContent = value;
      }
      for (const [name, [part, whole]] of Object.entries(shares)) {
        const ends = wilson(part, whole);
        explorer.querySelector(`[data-out=${name}]`).textContent = whole ? percent(part / whole) : "–";
        explorer.querySelector(`[data-interval=${name}]`).textContent = ends
          ? `${(100 * ends[0]).toFixed(0)} to ${(100 * ends[1]).toFixed(0)} %` : "no such case";
      }
      explorer.querySelector("#threshold-value").textContent = threshold.toFixed(3);
      explorer.classList.toggle("moved", !isFrozen);
      note.textContent = isFrozen
        ? `At the frozen threshold, ${frozen.toFixed(3)}.`
        : `For orientation only: not the frozen threshold, which is ${frozen.toFixed(3)}.`;
    };
    slider.parentElement.style.setProperty("--frozen", Math.min(1, Math.max(0, frozen)));
    slider.value = frozen;
    slider.addEventListener("input", () => show(Number(slider.value), false));
    explorer.querySelector("#frozen").addEventListener("click", () => {
      slider.value = frozen;
      show(frozen, true);
    });
    explorer.querySelector(".slider").hidden = false;
    show(frozen, true);
  }

  // The gallery: filters, and a large view that the keyboard opens, leafs through and closes.
  const viewer = document.getElementById("viewer");
  let open = [];
  let place = 0;
  const view = () => {
    const figure = open[place];
    const small = figure.querySelector("img");
    const large = new Image(small.naturalWidth, small.naturalHeight);
    large.src = small.src;
    large.alt = small.alt;
    viewer.querySelector(".viewer-picture").replaceChildren(large);
    viewer.querySelector("#viewer-title").textContent = figure.querySelector("strong").textContent;
    viewer.querySelector(".viewer-facts").textContent =
      `${all(".fact", figure).map((fact) => fact.textContent).join(" \u00b7 ")} (${place + 1} of ${open.length})`;
  };
  const go = (step) => {
    place = (place + step + open.length) % open.length;
    view();
  };
  all("[data-go]", viewer).forEach((button) => button.addEventListener("click", () => go(Number(button.dataset.go))));
  viewer.querySelector("[data-close]").addEventListener("click", () => viewer.close());
  viewer.addEventListener("click", (event) => { if (event.target === viewer) viewer.close(); });
  viewer.addEventListener("keydown", (event) => {
    if (event.key === "ArrowRight") go(1);
    if (event.key === "ArrowLeft") go(-1);
  });
  for (const gallery of all(".gallery")) {
    const figures = all(".picture", gallery);
    const wanted = { group: "", series: "" };
    const visible = () => figures.filter((figure) => !figure.hidden);
    const show = (figure) => {
      open = visible();
      place = open.indexOf(figure);
      view();
      viewer.showModal();
    };
    for (const figure of figures) {
      const button = document.createElement("button");
      button.type = "button";
      button.className = "enlarge";
      button.textContent = "Enlarge";
      button.setAttribute("aria-label", `Enlarge ${figure.querySelector("strong").textContent}`);
      button.addEventListener("click", () => show(figure));
      figure.querySelector("figcaption").append(button);
      figure.querySelector("img").addEventListener("click", () => { button.focus(); show(figure); });
    }
    const filter = () => {
      for (const figure of figures) {
        figure.hidden = ["group", "series"].some((name) => wanted[name] && figure.dataset[name] !== wanted[name]);
      }
      gallery.querySelector(".shown").textContent = `${visible().length} of ${figures.length} pictures`;
    };
    for (const button of all("[data-filter]", gallery)) {
      button.addEventListener("click", () => {
        wanted[button.dataset.filter] = button.dataset.value;
        for (const other of all(`[data-filter=${button.dataset.filter}]`, gallery)) {
          other.setAttribute("aria-pressed", String(other === button));
        }
        filter();
      });
    }
    gallery.querySelector(".filters").hidden = false;
    // The maps of one method at a time: all of them are a long way to scroll.
    const method = gallery.querySelector("[data-filter=series]:not([data-value=''])");
    if (method) method.click();
    filter();
  }

  // Paper cannot be clicked: what is folded is printed, and folded again afterwards.
  let folded = [];
  addEventListener("beforeprint", () => {
    folded = all("details.folded:not([open])");
    folded.forEach((details) => { details.open = true; });
  });
  addEventListener("afterprint", () => folded.forEach((details) => { details.open = false; }));
})();
