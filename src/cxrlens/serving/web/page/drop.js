// Files and folders that are dropped or chosen.

import { byId } from "./element.js";

/** Calls `add([{file, name}])` for whatever the user gives; the name holds the path within a folder. */
export function joinDrops(add) {
  for (const [button, input] of [["add-files", "files"], ["choose-files", "files"], ["add-folder", "folder"], ["choose-folder", "folder"]]) {
    byId(button).addEventListener("click", () => byId(input).click());
  }
  for (const id of ["files", "folder"]) {
    byId(id).addEventListener("change", ({ target }) => {
      add(seen([...target.files].map((file) => ({ file, name: file.webkitRelativePath || file.name }))));
      target.value = ""; // the same file may be chosen again
    });
  }

  let depth = 0; // drags enter and leave every element on their way
  const veil = (shown) => {
    byId("veil").hidden = !shown;
  };
  const holdsFiles = (event) => event.dataTransfer?.types.includes("Files");
  window.addEventListener("dragenter", (event) => {
    if (!holdsFiles(event)) return;
    event.preventDefault();
    depth += 1;
    veil(true);
  });
  window.addEventListener("dragleave", () => {
    depth = Math.max(depth - 1, 0);
    if (!depth) veil(false);
  });
  window.addEventListener("dragover", (event) => holdsFiles(event) && event.preventDefault());
  window.addEventListener("drop", async (event) => {
    event.preventDefault();
    depth = 0;
    veil(false);
    add(seen(await given(event.dataTransfer)));
  });
  window.addEventListener("paste", (event) => {
    const files = [...(event.clipboardData?.files ?? [])];
    if (files.length) add(files.map((file) => ({ file, name: file.name || "pasted image" })));
  });
}

/** Without the files that systems hide in folders. */
const seen = (files) => files.filter(({ name }) => !/(^|\/)(\.[^/]*|Thumbs\.db|desktop\.ini)$/i.test(name));

async function given(transfer) {
  // Both lists are empty once the event is over: they are read before anything is awaited.
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
  const plain = [...transfer.files].map((file) => ({ file, name: file.name }));
  if (!entries.some((entry) => entry.isDirectory)) return plain;
  const found = [];
  for (const entry of entries) await walk(entry, found);
  return found;
}

async function walk(entry, found) {
  const name = entry.fullPath.replace(/^\//, "");
  if (entry.isFile) {
    try {
      found.push({ file: await new Promise((resolve, reject) => entry.file(resolve, reject)), name });
    } catch {
      // Gone since, or not ours to read: like a file that was not dropped.
    }
    return;
  }
  const reader = entry.createReader();
  for (;;) {
    const some = await new Promise((resolve, reject) => reader.readEntries(resolve, reject)); // a hundred at most
    if (!some.length) return;
    for (const each of some) await walk(each, found);
  }
}
