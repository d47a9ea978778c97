"""Words that count like a word of a question: synonyms, and names spelt a little differently.

Only the question is widened, never what is remembered, so a better list of words helps old memories too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Final

from rapidfuzz.distance import OSA
from rapidfuzz.process import extract

from ganggpt.domain.language.words import NAME_LENGTH_MIN, stem

SYNONYM: Final = 0.7
"""The weight of a synonym; the word itself has weight 1."""
ALIKE_FROM: Final = 0.78
"""Least similarity of two spellings of one name: one letter in five differs, or two in ten."""
ALIKE_MAX: Final = 8
"""The most names that one misspelt name may mean."""
_NAME_LENGTH_MAX: Final = 24

_GROUPS: Final = """
    money cash dollar buck dough payment pay sum
    gun pistol weapon rifle revolver shotgun firearm
    knife blade dagger
    car vehicle ride sedan automobile wheels
    motorcycle motorbike bike
    truck lorry van
    boat ship vessel yacht trawler
    cop police officer constable policeman law
    steal rob thieve swipe theft robbery burgle
    kill murder shoot assassinate execute
    beat punch hit fight brawl
    threaten threat menace warn intimidate
    give hand gift present
    buy purchase
    sell deal peddle
    house home apartment flat
    bar pub saloon tavern
    shop store kiosk
    street road avenue alley
    harbour harbor port dock pier wharf quay
    boss leader chief head
    gang crew faction mob
    friend buddy pal mate
    brother sibling sister
    kid child son daughter boy girl
    wife husband spouse
    doctor medic nurse
    drug dope coke cocaine weed
    bomb explosive dynamite
    burn fire blaze arson
    hide bury conceal stash
    secret confidence
    promise swear vow pledge
    debt owe loan lend borrow
    prison jail cell
    arrest bust capture catch
    escape flee run
    help assist save rescue
    hurt injure wound
    lie deceive cheat trick
    betray rat snitch
    watch clock
    ring necklace jewel jewellery jewelry
    drink beer whiskey whisky rum
    food meal dinner lunch
    job work gig task
    meet meeting appointment
    night evening midnight
    morning dawn sunrise
    photo picture photograph
    phone call ring
    letter note message
    key lock
    warehouse depot storehouse
    garage workshop
    race sprint
    dog hound puppy
    argue quarrel row dispute
    afraid scared fear frightened
    love adore
    hate despise
    die dead death
    smuggle traffic contraband
    blackmail extort extortion
    repair fix mend
    paint spray
    box crate parcel package
    mayor politician councillor
    lawyer attorney
    truce peace ceasefire
    war feud
    map chart
    deliver bring carry
    mother mom mum mama ma
    father dad daddy papa
    sister sis
    brother bro
    grandmother grandma granny nan
    grandfather grandpa
    grow raise
    live stay move reside
    birthday born birth
    wed marry married wedding engaged
    name called nickname
    allergic allergy
    learn study teach
    play instrument
    rent lease
    interview appointment
    religion church
    like favourite favorite enjoy
    lawyer solicitor
    sick ill disease diagnose
    tattoo ink
    plan gonna intend
    geld kohle knete cash
    waffe knarre pistole gewehr wumme
    auto wagen karre
    haus wohnung bude heim wohnen
    mutter mama mutti
    vater papa
    schwester schwesterchen
    bruder bruderherz
    oma grossmutter
    opa grossvater
    frau ehefrau
    mann ehemann
    freund kumpel
    polizist bulle polizei wachtmeister cop
    gefangnis knast haft
    arbeit job beruf arbeiten
    angst furcht hohenangst furchten
    hassen hasse leiden
    heiraten hochzeit verlobt
    gericht verhandlung prozess
    kaputt zerstochen zerstort
    dinero plata lana pasta guita
    pistola arma fusil fierro
    coche carro auto
    casa piso departamento vivir
    madre mama vieja
    padre papa viejo
    mujer esposa
    marido esposo
    hermano carnal
    policia poli tira sargento
    carcel prision trullo preso
    trabajo curro chamba laburo trabajar dedicar
    miedo panico
    odio odiar detestar
    nino hijo chico
    mudar mudarme irme
    atracar asaltar robar
    dinheiro grana
    arma revolver canivete
    carro carango
    casa morar
    mae mamae
    pai papai
    esposa mulher
    irmao mano
    policia tira cana
    cadeia prisao preso
    trabalho emprego trampo trabalhar trabalhei
    medo pavor
    argent fric thune pognon
    flingue arme pistolet
    voiture caisse bagnole
    maison baraque appart habiter
    mere maman
    pere papa
    femme epouse
    mari epoux
    flic keuf police
    prison taule
    travail boulot taf bosser travailler metier
    peur trouille
    деньги бабки бабло
    пистолет ствол оружие
    машина тачка
    дом квартира хата
    мать мама
    отец папа батя
    сестра сестренка
    брат братан
    жена супруга
    муж супруг
    полицеискии мент коп
    тюрьма зона
    работа работать профессия
    свадьба выходит женится
"""


def _synonyms_by_stem() -> Mapping[str, tuple[str, ...]]:
    found: dict[str, dict[str, None]] = {}
    for line in _GROUPS.strip().splitlines():
        group = [stem(word) for word in line.split()]
        for word in group:
            found.setdefault(word, {}).update((other, None) for other in group if other != word)
    return {word: tuple(others) for word, others in found.items()}


_SAME: Final = _synonyms_by_stem()


def synonyms(term: str) -> tuple[str, ...]:
    """Stems that may stand for this stem."""
    return _SAME.get(term, ())


def alike(term: str, others: Sequence[str]) -> list[tuple[str, float]]:
    """Of other stems those that may be the same name misspelt, the most similar first, with ALIKE_FROM..1 for each.

    Similarity is ``1 − d / longer length`` with d the edits (insert, drop, change, swap of neighbours): optimal string
    alignment.
    """
    found = extract(term, others, scorer=OSA.normalized_similarity, score_cutoff=ALIKE_FROM, limit=ALIKE_MAX)
    return sorted(((other, similarity) for other, similarity, _ in found), key=lambda one: (-one[1], one[0]))


_SOUNDS: Final = str.maketrans("cqzyjwp", "kksiivb")


def sound(term: str) -> str:
    """What misspelt names have in common: how they begin, as it sounds (Cortez and Kortez, Szabo and Sabo)."""
    return term[:1].translate(_SOUNDS)


@lru_cache(maxsize=4096)
def near(name: str) -> tuple[str, ...]:
    """A name and every form of it with one letter dropped. Two names of one edit share one of these (symmetric
    deletion, Garbe 2012), so an index of whole words finds misspelt ones. A short name stands for itself alone: it
    meets one that has a letter more, and not every other that differs in one (Mara is no Mark)."""
    if not NAME_LENGTH_MIN < len(name) <= _NAME_LENGTH_MAX:
        return (name,)
    return tuple(dict.fromkeys((name, *(name[:at] + name[at + 1 :] for at in range(len(name))))))


def known_stems() -> frozenset[str]:
    """The stems of every word that has a synonym."""
    return frozenset(_SAME)
