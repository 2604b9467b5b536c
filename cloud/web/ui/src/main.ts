import { mount } from "svelte";
import App from "./App.svelte";
import "./app.css";
import "./icons/icons.css";

const target = document.getElementById("app");
if (!target) throw new Error("the document has no place for the pages");
mount(App, { target });
