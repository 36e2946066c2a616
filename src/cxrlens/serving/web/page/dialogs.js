// The three dialogs: help, token, forgetting all.

import { onLocked } from "./api.js";
import { byId } from "./element.js";

/** Joins the dialogs' buttons; `forgetAll` is what a yes does. */
export function joinDialogs(forgetAll) {
  for (const button of document.querySelectorAll("dialog [data-close]")) {
    button.addEventListener("click", () => button.closest("dialog").close());
  }
  byId("help").addEventListener("click", () => byId("help-dialog").showModal());
  byId("forget-all").addEventListener("click", () => byId("forget-dialog").showModal());
  byId("forget-yes").addEventListener("click", () => {
    byId("forget-dialog").close();
    forgetAll();
  });
  joinToken();
}

/** Every call that is refused waits for the one dialog. */
function joinToken() {
  let asked = null;
  let done = null;
  onLocked((refused) => {
    byId("token-bad").hidden = !refused;
    if (!asked) {
      asked = new Promise((resolve) => {
        done = resolve;
      });
      byId("token").value = "";
      byId("token-dialog").showModal();
    }
    return asked;
  });
  byId("token-form").addEventListener("submit", (event) => {
    event.preventDefault();
    const given = byId("token").value.trim();
    if (!given || !/^[\x21-\x7e]+$/.test(given)) return; // nothing else can stand in a header
    byId("token").value = "";
    byId("token-dialog").close();
    asked = null;
    done(given);
  });
  byId("token-dialog").addEventListener("cancel", (event) => event.preventDefault()); // without it there is no page
}
